//! Counts of drops that the tracepoint showed in network namespaces that are not known to be this node's.

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use observer_abi::unattributed;

use crate::probes::error::ProbeError;
use crate::probes::maps;

/// Names of the slots, as the label `namespace` has them.
const NAMES: [(u32, &str); unattributed::COUNT as usize] =
    [(unattributed::OTHER, "other"), (unattributed::UNKNOWN, "unknown")];

/// Owns the counters.
pub(super) struct Unattributed {
    counters: PerCpuArray<MapData, u64>,
    last: [u64; unattributed::COUNT as usize],
}

impl Unattributed {
    /// Takes the counters out of the object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self { counters: maps::per_cpu(ebpf, "UNATTRIBUTED")?, last: [0; unattributed::COUNT as usize] })
    }

    /// Returns the counts since the last call. A counter that can't be read counts on until it can.
    pub(super) fn take(&mut self) -> [(&'static str, u64); unattributed::COUNT as usize] {
        NAMES.map(|(slot, name)| {
            let last = &mut self.last[slot as usize];
            let now = self.counters.get(&slot, 0).map_or(*last, |values| values.iter().sum());
            (name, now.saturating_sub(std::mem::replace(last, now)))
        })
    }
}
