//! Flow records: the lines of the live tail.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::{ArcStr, literal};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::decision::{Decision, REFUSED_BY};
use crate::flow::{Outcome, Phase, ResetCause, RstOrigin, Side, Vantage, is_one, one};
use crate::input::{Announced, CheckStep};
use crate::mac::Mac;
use crate::names::{as_str, unknown_name};
use crate::object_ref::ObjectRef;
use crate::policies::Direction;

as_str!(ChangeVerb, EnforcerStatement, Kind, LagSince, LossCause);

/// A line of the live tail. A field is absent where its value is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlowRecord {
    /// The time at which the outcome was known (attempt), or the packet was seen.
    pub time: Timestamp,
    /// Name of the node whose kernel saw it.
    #[schemars(with = "String")]
    pub node: ArcStr,
    #[serde(flatten)]
    pub event: Event,
}

/// The kinds of record, tagged by `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// An attempt to open a connection.
    Attempt(Attempt),
    /// A RST.
    Reset(Reset),
    /// A packet that the kernel dropped.
    Drop(Drop),
    /// A host claimed an address.
    Announcement(Announcement),
    /// A policy changed, or labels that policies look at.
    PolicyChange(PolicyChange),
    /// A synthetic check ended.
    Check(Check),
    /// Records were lost, because this reader was too slow or the kernel's ring was full.
    Lost(Lost),
    /// The reader asked for records from before the agent's memory begins.
    Memory(Memory),
}

/// The names used in filters and labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Kind {
    Attempt,
    Reset,
    Drop,
    Announcement,
    PolicyChange,
    Check,
    Lost,
    Memory,
}

/// A side of a flow. `src` is the side that opened the connection, also in resets and drops.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    pub ip: IpAddr,
    pub port: u16,
    /// `namespace/name` of the Service addressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ObjectRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub namespace: Option<ArcStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub pod: Option<ArcStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub workload: Option<ArcStr>,
    /// Kind of the workload: `Deployment`, `StatefulSet`, ..., `Pod` for a bare one.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "kind")]
    #[schemars(with = "Option<String>")]
    pub workload_kind: Option<ArcStr>,
    /// The node whose address this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub node: Option<ArcStr>,
    /// The address to which DNAT sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_ip: Option<IpAddr>,
    /// The port to which DNAT sent it, only when it differs from `port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_port: Option<u16>,
}

/// An attempt to open a connection, recorded when its outcome is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    pub vantage: Vantage,
    pub outcome: Outcome,
    /// The answer that ended it: `syn-ack`, `rst`, `icmp-port-unreachable`, ...; absent for unanswered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub signal: Option<ArcStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
    /// Reason of the drop that took its SYN, such as `NETFILTER_DROP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub drop_reason: Option<ArcStr>,
    /// The cause of the loss of its SYN, where the kernel tells it. docs/FINDINGS.md has the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<LossCause>,
    /// With the cause `accept_queue_full`: the backlog of the server's listening socket. More connections waited to be
    /// accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_backlog: Option<u32>,
    /// What the enforcer of the policies reported about a SYN of an attempt that failed. Its log is rate-limited, so its
    /// absence proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcer: Option<EnforcerStatement>,
    /// The policy that the enforcer's log line names, for display only: a line names a policy that did not admit the
    /// packet, while another one may have, and a long name is cut (`...`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub enforcer_policy: Option<ArcStr>,
    /// The change that enforcement lags behind, where the attempt contradicts the verdict shortly after that change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement_lag: Option<EnforcementLag>,
    /// The origin of the RST that refused it.
    #[serde(flatten)]
    pub origin: RstOrigin,
    pub src: Endpoint,
    pub dst: Endpoint,
    /// The attempts that this record stands for, absent for one. While nobody follows the records, a node that has more
    /// than 1,000 connections a second reports the others by pair, twice a second. The client's port and the time are those
    /// of the newest.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
    /// First SYN to answer, in microseconds. Absent for several attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// SYNs repeated before the answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub syn_retransmits: u32,
    /// The client's initial sequence number, which all nodes see alike; 0 where it is not known. It only makes ids, so answers
    /// leave it out.
    #[serde(skip)]
    pub isn: u32,
    /// The verdict of the policies, where a cluster is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Arc<FlowVerdict>>,
}

/// The causes of a lost packet that the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum LossCause {
    /// The node's table of tracked connections was full.
    ConntrackFull,
    /// Too many connections waited for the server to accept them.
    AcceptQueueFull,
}

/// A statement of the enforcer about a SYN, in its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EnforcerStatement {
    /// It logged the SYN, as it does with packets that it drops.
    Logged,
}

/// How long after a change an attempt contradicted the verdict, while that is no longer than usual on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct EnforcementLag {
    pub since: LagSince,
    /// Microseconds from the change, as the agent learnt of it, to the attempt.
    pub age_us: u64,
}

/// The change after which enforcement may lag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum LagSince {
    /// A pod got its address.
    Pod,
    /// A policy changed, or labels that policies look at.
    Policy,
}

/// The verdict of the policies on an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Verdict")]
pub struct FlowVerdict {
    pub decision: Decision,
    /// On deny, the direction that denies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// On deny, the policies that isolate the pod in that direction; on allow, those that allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<ObjectRef>,
    pub explanation: String,
}

impl FlowVerdict {
    /// Returns the explanation of a deny without its first words, for sentences that have words of their own for it:
    /// "NetworkPolicy data/cache-ingress; no rule admits namespace web". Other explanations are returned whole.
    #[must_use]
    pub fn refuser(&self) -> &str {
        self.explanation.strip_prefix(REFUSED_BY).unwrap_or(&self.explanation)
    }

    /// Returns the explanation of an unknown verdict without its first words, for sentences that have said already that it
    /// is not known. Other explanations are returned whole.
    #[must_use]
    pub fn why_unknown(&self) -> &str {
        self.explanation.strip_prefix("not known: ").unwrap_or(&self.explanation)
    }
}

/// A RST.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reset {
    pub vantage: Vantage,
    pub by: Side,
    pub phase: Phase,
    /// The load-balancer address through which the client addressed the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub vip: Option<ArcStr>,
    #[serde(flatten)]
    pub origin: RstOrigin,
    /// Why it was sent, where connection tracking on the client's node is the cause. docs/RESETS.md has the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ResetCause>,
    pub src: Endpoint,
    pub dst: Endpoint,
}

/// A packet that the kernel dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drop {
    pub vantage: Vantage,
    /// The kernel's name, e.g. `NETFILTER_DROP`.
    #[schemars(with = "String")]
    pub reason: ArcStr,
    /// `TCP` or `UDP`.
    #[schemars(with = "String")]
    pub protocol: ArcStr,
    /// TCP flags of the dropped packet, e.g. `SYN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub tcp_flags: Option<ArcStr>,
    /// What the enforcer of the policies reported about a SYN, on the node that dropped it. Its log is rate-limited, so its
    /// absence proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcer: Option<EnforcerStatement>,
    /// The policy that the enforcer's log line names, as in an attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub enforcer_policy: Option<ArcStr>,
    pub src: Endpoint,
    pub dst: Endpoint,
    /// The verdict of the policies on the connection that a SYN asked for, where a cluster is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Arc<FlowVerdict>>,
}

/// A host claimed a load-balancer address. It is recorded when the claimant changes, and once for each claimant at
/// first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Announcement {
    pub ip: IpAddr,
    pub mac: Mac,
    /// The node that has this MAC, where that is known. `node` of the record is the node that saw the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub claimant: Option<ArcStr>,
    /// The claimant before, on a move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub previous: Option<ArcStr>,
    /// The claimant differs from the one before.
    pub r#move: bool,
    pub how: Announced,
    /// `namespace/name` of the Services that have the address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ObjectRef>,
}

/// The result of a synthetic check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    #[schemars(with = "String")]
    pub name: ArcStr,
    pub ok: bool,
    /// The step that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<CheckStep>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub error: Option<ArcStr>,
    pub duration_us: u64,
    pub src: Endpoint,
    pub dst: Endpoint,
}

/// A gap: records that are missing here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// Number of records that were not delivered.
    pub lost: u64,
    /// Where: `client` (this reader was too slow) or `ring` (more came at once than can be told one by one).
    #[schemars(with = "String")]
    pub stage: ArcStr,
}

/// A change of a policy, or of labels of a namespace or of a pod that policies look at. The time of the record is the time
/// at which the agent learnt of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyChange {
    /// Kind of the object, as the Kubernetes API writes it: `NetworkPolicy`, `AdminNetworkPolicy`, `Namespace`, `Pod`, ...
    #[schemars(with = "String")]
    pub object: ArcStr,
    /// Namespace of the object; absent for an object of the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub namespace: Option<ArcStr>,
    #[schemars(with = "String")]
    pub name: ArcStr,
    pub change: ChangeVerb,
    /// The field manager that changed a policy, where the API tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub manager: Option<ArcStr>,
    /// What changed, when and by whom, as a clause, with what is no longer admitted.
    pub summary: String,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ChangeVerb {
    Created,
    Changed,
    Deleted,
}

impl PolicyChange {
    /// Returns the namespace that the change is about. `None` for a policy of the whole cluster.
    #[must_use]
    pub fn own_namespace(&self) -> Option<&ArcStr> {
        self.namespace.as_ref().or_else(|| (self.object == "Namespace").then_some(&self.name))
    }
}

/// The first record of a replay that asked for an earlier time than the agent remembers. The time of the record is the
/// time that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// The start of the agent: it knows nothing from before.
    pub started: Timestamp,
    /// Each kind of record that the replay may lack, with the time after which none is missing. Kinds that the filter
    /// leaves out, and those that are remembered since the time asked for, are absent.
    #[schemars(with = "BTreeMap<String, Timestamp>")]
    pub begins: BTreeMap<Kind, Timestamp>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Event {
    /// Returns the record's kind, as filters name it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Attempt(_) => Kind::Attempt,
            Self::Reset(_) => Kind::Reset,
            Self::Drop(_) => Kind::Drop,
            Self::Announcement(_) => Kind::Announcement,
            Self::PolicyChange(_) => Kind::PolicyChange,
            Self::Check(_) => Kind::Check,
            Self::Lost(_) => Kind::Lost,
            Self::Memory(_) => Kind::Memory,
        }
    }

    /// Returns why the kernel dropped the packet, or why the RST was sent: `unknown` where that is not known. An attempt
    /// that no RST ended has the reason of the drop of its SYN, if there was one.
    #[must_use]
    pub fn reason(&self) -> Option<ArcStr> {
        let of_rst = |origin: &RstOrigin| Some(origin.reason.clone().unwrap_or(literal!("unknown")));
        match self {
            Self::Attempt(attempt) if attempt.outcome == Outcome::Refused => of_rst(&attempt.origin),
            Self::Attempt(attempt) => attempt.drop_reason.clone(),
            Self::Reset(reset) => of_rst(&reset.origin),
            Self::Drop(drop) => Some(drop.reason.clone()),
            Self::Announcement(_)
            | Self::PolicyChange(_)
            | Self::Check(_)
            | Self::Lost(_)
            | Self::Memory(_) => None,
        }
    }

    /// Returns both sides, where the record has them.
    #[must_use]
    pub fn endpoints(&self) -> Option<(&Endpoint, &Endpoint)> {
        match self {
            Self::Attempt(a) => Some((&a.src, &a.dst)),
            Self::Reset(r) => Some((&r.src, &r.dst)),
            Self::Drop(d) => Some((&d.src, &d.dst)),
            Self::Check(c) => Some((&c.src, &c.dst)),
            Self::Announcement(_) | Self::PolicyChange(_) | Self::Lost(_) | Self::Memory(_) => None,
        }
    }
}

impl Endpoint {
    /// Returns the object that people think of: the workload, or the Service where no workload is known, or the pod.
    /// `None` for nodes and for addresses outside the cluster.
    #[must_use]
    pub fn owner(&self) -> Option<ObjectRef> {
        let Self { namespace, workload, pod, service, .. } = self;
        let named = |name: &Option<ArcStr>| Some(ObjectRef::new(namespace.clone()?, name.clone()?));
        named(workload).or_else(|| service.clone()).or_else(|| named(pod))
    }

    /// Returns the server's own port: the backend's where a Service has another one. Both sides' nodes know the same.
    #[must_use]
    pub fn own_port(&self) -> u16 {
        self.backend_port.unwrap_or(self.port)
    }

    /// Returns an endpoint of which only address and port are known.
    #[must_use]
    pub fn bare(ip: IpAddr, port: u16) -> Self {
        Self {
            ip,
            port,
            service: None,
            namespace: None,
            pod: None,
            workload: None,
            workload_kind: None,
            node: None,
            backend_ip: None,
            backend_port: None,
        }
    }
}
