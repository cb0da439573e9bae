//! Findings: what needs human action, with evidence and one sentence that explains it.

mod traits;

use arcstr::ArcStr;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::names::{as_str, unknown_name};
use crate::object_ref::ObjectRef;
use crate::record::Endpoint;

pub use self::traits::{Counting, EventObject, FindingSource, KindTraits, RestsOnRefusal};

as_str!(FindingKind, State, Severity);

/// A finding of `/api/v1/findings`: one episode of a kind and its subject. It is updated while it lasts. Once it has ended
/// it stays as it is, and the next episode of its subject is another finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The id of this episode. Agents that see it begin within the same minute give it the same one.
    #[schemars(with = "String")]
    pub id: ArcStr,
    /// The id of the kind and its subject (workloads and port, VIP), which all episodes share, on every node.
    #[schemars(with = "String")]
    pub subject: ArcStr,
    /// The id of the episode of this subject that ended before this one began, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub previous: Option<ArcStr>,
    pub kind: FindingKind,
    pub state: State,
    /// The beginning of the episode.
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// The end of the episode; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The reason of its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_because: Option<String>,
    /// Number of attempts, connections or resets behind it since `first_seen`. For `latent_denial`, those open now.
    pub count: u64,
    /// The part of it that concerns the pod in `src` alone, for findings made from attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_src: Option<Share>,
    pub severity: Severity,
    pub summary: String,
    /// The newest example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<Endpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst: Option<Endpoint>,
    /// `namespace/name` of the policies concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<ObjectRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub vip: Option<ArcStr>,
    #[schemars(with = "Vec<String>")]
    pub nodes: Vec<ArcStr>,
    /// The cause that brought the episode about, where it is known. It never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The time of the cause, where it is a change of policies or labels. It is not after `first_seen`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause_at: Option<Timestamp>,
    /// Oldest first, bounded.
    pub evidence: Vec<Evidence>,
}

/// The part of a finding that concerns one of its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    pub count: u64,
    pub first_seen: Timestamp,
}

/// A cause: what happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub text: String,
    /// The time, where a finding that began earlier can't be due to it.
    pub at: Option<Timestamp>,
}

impl From<String> for Cause {
    /// Returns a cause that explains a finding whenever it began.
    fn from(text: String) -> Self {
        Self { text, at: None }
    }
}

/// A finding, and what is new about it since it was emitted last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingUpdate {
    pub change: FindingChange,
    pub finding: Finding,
}

/// The change of a finding since it was emitted last. The engine decides it once, and logs and metrics rely on it. What
/// publishes findings later or less often has to compare them with what it published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingChange {
    /// It became active.
    Appeared,
    /// It goes on, and something other than `last_seen` changed.
    Updated,
    /// It goes on, and nothing but `last_seen` changed.
    Confirmed,
    /// It ended.
    Resolved,
}

impl FindingChange {
    /// Is true where the number of active findings changes.
    #[must_use]
    pub const fn changes_state(self) -> bool {
        matches!(self, Self::Appeared | Self::Resolved)
    }
}

/// A piece of evidence of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    pub time: Timestamp,
    /// A line: "10.42.0.10:40122 -> 10.43.239.89:5432 (backend 10.42.0.12:5432) rejected: icmp-port-unreachable".
    pub text: String,
}

/// The kinds of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum FindingKind {
    PolicyDenied,
    ServiceRefused,
    Unanswered,
    EnforcementMismatch,
    LatentDenial,
    VipFlap,
    VipConflict,
    RstBurst,
    SynFlood,
    PortScan,
    BlindSpot,
}

/// The state of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
#[schemars(rename = "FindingState")]
pub enum State {
    Active,
    Resolved,
}

/// The urgency of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Severity {
    Info,
    Warning,
    Critical,
}
