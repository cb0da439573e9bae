//! Findings: what a human should act on, with evidence and one sentence that explains it.

mod traits;

use std::str::FromStr;

use arcstr::ArcStr;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object_ref::ObjectRef;
use crate::record::Endpoint;

pub use self::traits::{Counting, EventObject, FindingSource, KindTraits, RestsOnRefusal};

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

/// A finding, and what is new about it since it was emitted last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingUpdate {
    pub change: FindingChange,
    pub finding: Finding,
}

/// What is new about a finding. The engine decides it once; everything that stores or publishes findings relies on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingChange {
    /// It became active, for the first time or again.
    Appeared,
    /// It goes on, and says something else than before.
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

impl From<Finding> for FindingUpdate {
    /// Returns the update with which a finding in this state begins or ends.
    fn from(finding: Finding) -> Self {
        let change = match finding.state {
            State::Active => FindingChange::Appeared,
            State::Resolved => FindingChange::Resolved,
        };
        Self { change, finding }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evidence {
    pub time: Timestamp,
    /// In words: "10.42.0.10:40122 -> 10.43.239.89:5432 (backend 10.42.0.12:5432) rejected: icmp-port-unreachable".
    pub text: String,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, strum::VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    Active,
    Resolved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl FindingKind {
    /// Every kind, so that each has a series from the start.
    pub const ALL: [Self; 8] = [
        Self::PolicyDenied,
        Self::ServiceRefused,
        Self::Unanswered,
        Self::EnforcementMismatch,
        Self::LatentDenial,
        Self::VipFlap,
        Self::VipConflict,
        Self::RstBurst,
    ];

    /// The name used in JSON, filters and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PolicyDenied => "policy_denied",
            Self::ServiceRefused => "service_refused",
            Self::Unanswered => "unanswered",
            Self::EnforcementMismatch => "enforcement_mismatch",
            Self::LatentDenial => "latent_denial",
            Self::VipFlap => "vip_flap",
            Self::VipConflict => "vip_conflict",
            Self::RstBurst => "rst_burst",
        }
    }
}

impl State {
    /// Every state.
    pub const ALL: [Self; 2] = [Self::Active, Self::Resolved];

    /// The name used in JSON and filters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Resolved => "resolved",
        }
    }
}

impl FromStr for FindingKind {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        named(&Self::ALL, Self::as_str, s)
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        named(&Self::ALL, Self::as_str, s)
    }
}

fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, wanted: &str) -> Result<T, String> {
    let names = || all.iter().map(|value| name(*value)).collect::<Vec<_>>().join(", ");
    let found = all.iter().find(|value| name(**value) == wanted);
    found.copied().ok_or_else(|| format!("`{wanted}` is none of {}", names()))
}
