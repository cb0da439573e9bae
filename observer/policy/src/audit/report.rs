//! What an audit says.

use arcstr::ArcStr;
use flow_model::decision::{Decision, Direction, Nearest};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::Protocol;
use jiff::Timestamp;
use serde::Serialize;

use crate::audit::change::Place;

/// The whole answer.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By place, then rule.
    pub findings: Vec<AuditFinding>,
    /// Those that an annotation opted out of.
    pub ignored: Vec<Ignored>,
    /// Flows of which the policies may say yes or no: facts are missing, or a policy can't be read.
    pub unknown: Vec<FlowGroup>,
    /// Checks that had nothing to go by, here or in all.
    pub not_run: Vec<NotRun>,
    /// What else a reader should know: documents that were passed over, resources that are not read.
    pub notes: Vec<String>,
    /// Policies proposed.
    pub policies: usize,
    /// `None` without a baseline.
    pub flows: Option<Judged>,
}

/// Observed flows, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Judged {
    pub judged: usize,
    pub allowed: usize,
    pub denied: usize,
    pub unknown: usize,
}

/// Something to mend before merging.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditFinding {
    pub rule: RuleId,
    pub level: Level,
    /// `None` where nothing of the change can be pointed at.
    pub place: Option<Place>,
    /// `NetworkPolicy postgres/default-deny-ingress`, `Deployment pal-e-docs/pal-e-docs`.
    pub object: ArcStr,
    /// One sentence, without a full stop.
    pub message: String,
    /// Of `flow-denied` and, without counts, `consumer-not-admitted`.
    pub flow: Option<Box<FlowGroup>>,
}

/// A finding somebody took responsibility for.
#[derive(Clone, Debug, PartialEq)]
pub struct Ignored {
    pub finding: AuditFinding,
    pub reason: ArcStr,
}

/// A check that had nothing to go by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotRun {
    pub rule: RuleId,
    pub why: String,
}

/// Observed flows between two workloads on one port.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowGroup {
    pub src: Side,
    pub dst: Side,
    /// At the destination, after DNAT.
    pub port: u16,
    pub protocol: Protocol,
    /// Connections seen.
    pub count: u64,
    /// Of them, still open.
    pub open: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// What today's policies say.
    pub before: Decision,
    /// What they would say.
    pub after: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// On deny, the policies that isolate the pod in that direction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<ObjectRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
    pub explanation: String,
}

/// One side of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<ArcStr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<ArcStr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ArcStr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<ArcStr>,
    /// `namespace/name`, when they connected to a Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ObjectRef>,
    /// An example, of sides outside the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<std::net::IpAddr>,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.namespace, &self.workload, &self.node, &self.ip) {
            (Some(namespace), Some(workload), ..) => write!(f, "{namespace}/{workload}"),
            (Some(namespace), None, ..) => write!(f, "namespace {namespace}"),
            (None, Some(workload), ..) => f.write_str(workload),
            (None, None, Some(node), _) => write!(f, "node {node}"),
            (None, None, None, Some(ip)) => write!(f, "{ip}"),
            (None, None, None, None) => f.write_str("an unknown side"),
        }
    }
}

/// How grave; the words are SARIF's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Note,
    Warning,
    Error,
}

impl Level {
    /// As printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! rules {
    ($($variant:ident, $id:literal, $level:ident, $about:literal;)*) => {
        /// The checks. Their names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RuleId {
            $(#[doc = $about] $variant),*
        }

        impl RuleId {
            /// All of them, in the order of documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $id),* }
            }

            /// How grave a finding usually is.
            #[must_use]
            pub fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level),* }
            }

            /// What it finds, in one sentence.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),* }
            }
        }
    };
}

rules! {
    FlowDenied, "flow-denied", Error,
        "A connection that was observed would be refused by the proposed policies.";
    BrokenPolicy, "broken-policy", Error,
        "A policy can't be read whole, so what it does is not known.";
    ConsumerNotAdmitted, "consumer-not-admitted", Error,
        "A workload or namespace is declared to use another one, whose policies don't admit it.";
    PodSelectorMatchesNothing, "pod-selector-matches-nothing", Warning,
        "A policy's podSelector matches no pod and no pod template of its namespace.";
    PeerMatchesNothing, "peer-matches-nothing", Warning,
        "A peer of a rule matches no namespace or no pod.";
    NamedPortUnresolved, "named-port-unresolved", Warning,
        "A rule names a port that no destination pod has.";
    EgressWithoutDns, "egress-without-dns", Warning,
        "Pods are isolated for egress and can't ask DNS over both UDP and TCP.";
    EgressWithoutApiserver, "egress-without-apiserver", Warning,
        "An operator is isolated for egress and can't reach the Kubernetes API server.";
    IpblockInCluster, "ipblock-in-cluster", Warning,
        "An ipBlock names addresses of pods or of Services.";
    RuleEmpty, "rule-empty", Warning,
        "A peer of a rule contradicts itself and can never match.";
    RuleShadowed, "rule-shadowed", Note,
        "A broader rule of the same policy makes a rule superfluous.";
}

impl Serialize for RuleId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Report {
    /// Whether the change should not be merged as it is.
    #[must_use]
    pub fn found_something(&self) -> bool {
        !self.findings.is_empty()
    }
}
