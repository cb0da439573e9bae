//! Findings: what a human should act on, with evidence and one sentence that explains it.

use arcstr::ArcStr;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::names::unknown_name;
use crate::object_ref::ObjectRef;
use crate::record::Endpoint;

/// One finding, as `/api/v1/findings` tells it. There is one per kind and subject; it is updated, and resolved when
/// it stops.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// Stable for a kind and its subject (workloads and port, VIP).
    pub id: ArcStr,
    pub kind: FindingKind,
    pub state: State,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// Attempts, connections or resets that it rests on since `first_seen`; of `latent_denial` those open now.
    pub count: u64,
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
    pub vip: Option<ArcStr>,
    pub nodes: Vec<ArcStr>,
    /// What brought it about, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Oldest first, bounded.
    pub evidence: Vec<Evidence>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evidence {
    pub time: Timestamp,
    /// In words: "10.42.0.10:40122 -> 10.43.239.89:5432 (backend 10.42.0.12:5432) rejected: icmp-port-unreachable".
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
}

impl FindingKind {
    /// Returns the name that JSON, filters and metric labels use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum State {
    Active,
    Resolved,
}

impl State {
    /// Returns the name that JSON, filters and metric labels use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    /// Returns the name that JSON, filters and metric labels use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
