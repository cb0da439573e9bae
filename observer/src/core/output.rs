//! Everything the engine has to say. `sink/` turns it into metrics, the tail and `/api/v1/pairs`.

use arcstr::ArcStr;

use super::input::{Counts, LostStage, Pair};
use super::record::{Endpoint, FlowRecord, Vantage};

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
    /// Objects per kind in the newest inventory.
    ClusterObjects(Vec<(ArcStr, u64)>),
    /// Workloads (namespace, name) that have no pod left, present or remembered: their series may expire.
    Departed(Vec<(ArcStr, ArcStr)>),
}

/// Increments of one pair. Without `pair` it is the remainder, labelled `_other` throughout.
#[derive(Clone, Debug, PartialEq)]
pub struct PairUpdate {
    pub pair: Option<(Pair, Endpoint, Endpoint)>,
    pub counts: Counts,
}

/// Drop counts of one pair; without `pair`, the remainder.
#[derive(Clone, Debug, PartialEq)]
pub struct DropUpdate {
    pub pair: Option<(Endpoint, Endpoint, Vantage)>,
    pub reason: ArcStr,
    pub count: u64,
}
