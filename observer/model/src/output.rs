//! Everything the engine has to say. `sink/` turns it into metrics, the tail and `/api/v1/pairs`.

use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use jiff::Timestamp;

use crate::decision::Decision;
use crate::finding::FindingUpdate;
use crate::flow::Vantage;
use crate::flow::{Counts, Pair};
use crate::input::{CheckStep, LostStage};
use crate::inventory::Inventory;
use crate::object_ref::ObjectRef;
use crate::record::{Endpoint, FlowRecord};
use crate::vip::{ClaimSource, Vip};

/// One effect.
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
    /// Open connections that the policies would refuse now, by pair and policy; replaces what was told before.
    LatentDenials(Vec<LatentCount>),
    /// All open connections, by their two sides; replaces what was told before.
    OpenFlows(Vec<OpenFlow>),
    /// A VIP is known, or what is known of it changed.
    Vip(Vip),
    /// An address is no VIP any more.
    VipGone(IpAddr),
    /// A VIP changed hands, by this source.
    VipMoved { vip: IpAddr, service: Option<ObjectRef>, source: ClaimSource },
    /// Claims of addresses that are no VIPs.
    Unclaimed { count: u64 },
    /// A burst of resets began towards this server.
    RstBurst { dst: Endpoint, cause: ArcStr },
    /// A synthetic check ended.
    Check { name: ArcStr, step: Option<CheckStep>, duration_us: u64 },
    /// The newest inventory, for those who judge by it.
    Cluster(Arc<Inventory>),
    /// Objects per kind in the newest inventory.
    ClusterObjects(Vec<(ArcStr, u64)>),
    /// Workloads that have no pod left, present or remembered: their series may expire.
    Departed(Vec<ObjectRef>),
}

/// Increments of one pair. Without `pair` it is the remainder, labelled `_other` throughout.
#[derive(Clone, Debug, PartialEq)]
pub struct PairUpdate {
    pub pair: Option<(Pair, Endpoint, Endpoint)>,
    /// What the policies say of the pair now.
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
    /// When the oldest of them was first seen.
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
