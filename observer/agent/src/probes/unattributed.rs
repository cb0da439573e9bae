//! Counts of drops that the tracepoint showed and that are nobody's here.

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use observer_abi::elsewhere;

use crate::probes::error::ProbeError;
use crate::probes::maps;

/// Names of the slots, as the label `namespace` has them.
const NAMES: [(u32, &str); elsewhere::COUNT as usize] =
    [(elsewhere::OTHER, "other"), (elsewhere::UNKNOWN, "unknown")];

/// Owns the counters.
pub(super) struct Elsewhere {
    counters: PerCpuArray<MapData, u64>,
    last: [u64; elsewhere::COUNT as usize],
}

impl Elsewhere {
    /// Takes the counters out of the object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self { counters: maps::per_cpu(ebpf, "ELSEWHERE")?, last: [0; elsewhere::COUNT as usize] })
    }

    /// Returns the counts since the last call. A counter that can't be read counts on until it can.
    pub(super) fn take(&mut self) -> [(&'static str, u64); elsewhere::COUNT as usize] {
        NAMES.map(|(slot, name)| {
            let last = &mut self.last[slot as usize];
            let now = self.counters.get(&slot, 0).map_or(*last, |values| values.iter().sum());
            (name, now.saturating_sub(std::mem::replace(last, now)))
        })
    }
}
