//! The attempts whose SYN met a full accept queue.

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use flow_model::flow::Outcome;
use flow_model::input::Input;
use observer_abi::{ConnKey, ConnValue};

use crate::probes::error::ProbeError;
use crate::probes::maps;

/// Owns the map of those attempts.
pub(super) struct AcceptQueues(HashMap<MapData, ConnKey, u32>);

impl AcceptQueues {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        maps::hash(ebpf, "FULL_QUEUES").map(Self)
    }

    /// Adds the backlog of the server's listening socket to an attempt that got no answer, if a SYN of it met a full queue.
    /// Where an answer was seen, the server had taken the SYN, and it was the answer that was lost.
    pub(super) fn complete(&self, key: &ConnKey, conn: &ConnValue, input: &mut Input) {
        if let Input::Attempt(seen) = input
            && seen.outcome == Outcome::Unanswered
            && conn.answers == 0
            && conn.flags & ConnValue::ARRIVED != 0
        {
            seen.accept_backlog = self.0.get(key, 0).ok();
        }
    }
}
