//! The result of an audit.

use arcstr::ArcStr;
use flow_model::decision::{Decision, Nearest};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{Direction, Protocol};
use jiff::Timestamp;
use serde::Serialize;
use strum::{IntoStaticStr, VariantArray};

use crate::audit::change::{Place, Unjudged};

/// Holds the result of an audit.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The findings, sorted by place, then rule.
    pub findings: Vec<AuditFinding>,
    /// The findings that an annotation opted out of.
    pub ignored: Vec<Ignored>,
    /// The flows with an unknown decision: facts are missing, or a policy can't be read.
    pub unknown: Vec<FlowGroup>,
    /// The checks that lacked information, for one object or at all.
    pub not_run: Vec<NotRun>,
    /// Everything that could not be judged: without a look at it, an audit that finds nothing proves nothing.
    pub unjudged: Vec<Unjudged>,
    /// Remarks for the reader: documents that were skipped, resources that are not read.
    pub notes: Vec<String>,
    /// The number of policies proposed.
    pub policies: usize,
    /// The number of flows judged; `None` without a baseline.
    pub flows: Option<Judged>,
    /// The nodes whose flows those are; `None` without a baseline that has flows.
    pub nodes: Option<Nodes>,
}

/// Holds the nodes whose flows are judged, and those whose flows are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Nodes {
    /// The nodes whose agents gave their flows.
    pub asked: Vec<ArcStr>,
    /// The other nodes of the cluster, as far as the baselines know it.
    pub missing: Vec<MissingNode>,
}

/// Holds a node whose flows are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingNode {
    pub node: ArcStr,
    pub reason: ArcStr,
}

/// Counts the observed flows by their decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Judged {
    pub judged: usize,
    pub allowed: usize,
    pub denied: usize,
    pub unknown: usize,
}

/// Describes a fault to mend before merging.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditFinding {
    pub rule: RuleId,
    pub level: Level,
    /// Its place; `None` where it belongs to no object of the change.
    pub place: Option<Place>,
    /// The object: `NetworkPolicy postgres/default-deny-ingress`, `Deployment pal-e-docs/pal-e-docs`.
    pub object: ArcStr,
    /// The message: one sentence, without a full stop.
    pub message: String,
    /// The flows of `flow-denied` and, without counts, of `consumer-not-admitted`.
    pub flow: Option<Box<FlowGroup>>,
}

/// Holds a finding that an annotation accepts, with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Ignored {
    pub finding: AuditFinding,
    pub reason: ArcStr,
}

/// Names a check that lacked information.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotRun {
    pub rule: RuleId,
    pub why: String,
}

/// Groups the observed flows between two workloads on one port.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowGroup {
    pub src: Side,
    pub dst: Side,
    /// The port at the destination, after DNAT.
    pub port: u16,
    pub protocol: Protocol,
    /// The number of connections seen.
    pub count: u64,
    /// The number of connections that are still open.
    pub open: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// The decision of today's policies.
    pub before: Decision,
    /// The decision of the policies after the change.
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

/// Describes one side of a group.
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
    /// An example address of a side outside the cluster.
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

/// Ranks findings; the names are those of SARIF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    Note,
    Warning,
    Error,
}

impl Level {
    /// Returns the printed name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

macro_rules! rules {
    ($($variant:ident, $level:ident, $about:literal;)*) => {
        /// Names the checks. Their names are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[derive(IntoStaticStr, VariantArray)]
        #[serde(rename_all = "kebab-case")]
        #[strum(serialize_all = "kebab-case")]
        pub enum RuleId {
            $(#[doc = $about] $variant),*
        }

        impl RuleId {
            /// All checks, in the order of documentation.
            pub const ALL: &[Self] = Self::VARIANTS;

            /// Returns the name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }

            /// Returns the usual level of a finding.
            #[must_use]
            pub fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level),* }
            }

            /// Describes the findings in one sentence.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),* }
            }
        }
    };
}

rules! {
    FlowDenied, Error,
        "A connection that was observed would be refused by the proposed policies.";
    BrokenPolicy, Error,
        "A policy can't be read whole, so what it does is not known.";
    ConsumerNotAdmitted, Error,
        "A workload or namespace is declared to use another one, whose policies don't admit it.";
    PodSelectorMatchesNothing, Warning,
        "A policy's podSelector matches no pod and no pod template of its namespace.";
    PeerMatchesNothing, Warning,
        "A peer of a rule matches no namespace or no pod.";
    NamedPortUnresolved, Warning,
        "A rule names a port that no destination pod has.";
    EgressWithoutDns, Warning,
        "Pods are isolated for egress and can't ask DNS over both UDP and TCP.";
    EgressWithoutApiserver, Warning,
        "An operator is isolated for egress and can't reach the Kubernetes API server.";
    IpblockInCluster, Warning,
        "An ipBlock names addresses of pods or of Services.";
    RuleEmpty, Warning,
        "A peer of a rule contradicts itself and can never match.";
    RuleShadowed, Note,
        "A broader rule of the same policy makes a rule superfluous.";
}

impl Report {
    /// Is true when the change should not be merged as it is.
    #[must_use]
    pub fn found_something(&self) -> bool {
        !self.findings.is_empty()
    }

    /// Is true when each part of the change was judged, and each flow got a verdict.
    #[must_use]
    pub fn judged_everything(&self) -> bool {
        self.unjudged.is_empty() && self.unknown.is_empty()
    }
}
