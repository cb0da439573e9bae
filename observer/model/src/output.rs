//! Outputs of the engine. The agent's sinks turn them into metrics, the tail and the answers of the API.

use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use jiff::{SignedDuration, Timestamp};

use crate::blind_spot::Unseen;
use crate::decision::Decision;
use crate::finding::FindingUpdate;
use crate::flow::Vantage;
use crate::flow::{Counts, Pair};
use crate::input::{CheckStep, LostStage};
use crate::inventory::Inventory;
use crate::object_ref::ObjectRef;
use crate::record::{Endpoint, FlowRecord, LagSince};
use crate::vip::{ClaimSource, Vip};

/// An output of the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A line of the live tail.
    Record(FlowRecord),
    /// Increments of one pair, with names.
    Pair(PairUpdate),
    /// Dropped packets of one pair and reason.
    Drops(DropUpdate),
    /// Something was lost before it reached the engine.
    Lost { stage: LostStage, count: u64 },
    /// A finding appeared, was updated or resolved.
    Finding(FindingUpdate),
    /// Open connections that the policies would refuse now, by pair and policy; replaces the last list.
    LatentDenials(Vec<LatentCount>),
    /// All open connections, by their two sides; replaces the last list.
    OpenFlows(Vec<OpenFlow>),
    /// A VIP is new, or something about it changed.
    Vip(Vip),
    /// An address is not a VIP any more.
    VipGone(IpAddr),
    /// A VIP moved to another host, according to this source.
    VipMoved { vip: IpAddr, service: Option<ObjectRef>, source: ClaimSource },
    /// Claims of addresses that are not VIPs.
    Unclaimed { count: u64 },
    /// A burst of resets began towards this server.
    RstBurst { dst: Endpoint, cause: ArcStr },
    /// The policies took this long after a change to be enforced, at least.
    EnforcementLag { since: LagSince, lag: SignedDuration },
    /// A contradiction of the verdict within this time after a change is taken as lag from now on.
    UsualLag { since: LagSince, lag: SignedDuration },
    /// A synthetic check ended.
    Check { name: ArcStr, step: Option<CheckStep>, duration_us: u64 },
    /// A pod of this node can't be seen, or can be again.
    Sight(Sight),
    /// The newest inventory, for the questions of `/api/v1/explain` and `/api/v1/snapshot`.
    Cluster(Arc<Inventory>),
    /// Objects per kind in the newest inventory.
    ClusterObjects(Vec<(ArcStr, u64)>),
    /// Workloads without any pod, present or remembered. Their series may expire.
    Departed(Vec<ObjectRef>),
}

/// Whether the interface with one address of a pod of this node is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    pub ip: IpAddr,
    /// What can't be seen of it; absent for one that is seen again, or is gone, or whose reason is known now.
    pub unseen: Option<Unseen>,
}

/// Increments of one pair. Without `pair` it is the remainder, whose labels are all `_other`.
#[derive(Clone, Debug, PartialEq)]
pub struct PairUpdate {
    pub pair: Option<(Pair, Endpoint, Endpoint)>,
    /// The current verdict of the policies on the pair.
    pub verdict: Decision,
    pub counts: Counts,
}

/// Drop counts of one pair; without `pair`, the remainder.
#[derive(Clone, Debug, PartialEq)]
pub struct DropUpdate {
    pub pair: Option<(Endpoint, Endpoint, Vantage)>,
    pub reason: ArcStr,
    pub count: u64,
}

/// Connections that are open between two sides.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenFlow {
    pub src: Endpoint,
    pub dst: Endpoint,
    /// The time at which the oldest of them was first seen.
    pub since: Timestamp,
    pub open: u64,
}

/// Open connections of one pair that one policy would refuse.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentCount {
    pub src: Endpoint,
    pub dst: Endpoint,
    pub vantage: Vantage,
    pub policy: ObjectRef,
    pub count: u64,
}
