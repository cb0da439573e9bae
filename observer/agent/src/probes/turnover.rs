//! Counts the handshakes that the kernel forgot: the oldest one yields when there are too many.

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use observer_abi::turnover;

use crate::probes::error::ProbeError;
use crate::probes::maps;

/// Owns the counters of handshakes that began and that the programs ended.
pub(super) struct Turnover {
    counters: PerCpuArray<MapData, u64>,
    lost: Lost,
}

impl Turnover {
    /// Takes the counters out of the object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self { counters: maps::per_cpu(ebpf, "TURNOVER")?, lost: Lost::default() })
    }

    /// Returns the number of handshakes that began; to be read before the entries are.
    pub(super) fn begun(&self) -> Result<u64, ProbeError> {
        self.sum(turnover::BEGUN)
    }

    /// Notes that userspace removed an entry.
    pub(super) fn removed(&mut self) {
        self.lost.removed += 1;
    }

    /// Returns how many more handshakes are known to be lost, from those begun before the entries were counted.
    pub(super) fn lost(&mut self, begun: u64, entries: usize) -> Result<u64, ProbeError> {
        let ended = self.sum(turnover::ENDED)?;
        Ok(self.lost.more(begun, ended, entries as u64))
    }

    fn sum(&self, slot: u32) -> Result<u64, ProbeError> {
        let values = self.counters.get(&slot, 0).map_err(ProbeError::map("TURNOVER"))?;
        Ok(values.iter().sum())
    }
}

/// Tells how many entries are neither there nor were removed. The numbers are not of one instant: what began is counted
/// first and what ended last, so that the difference is never too large, and is right once the rush is over.
#[derive(Debug, Default)]
struct Lost {
    removed: u64,
    reported: u64,
}

impl Lost {
    fn more(&mut self, begun: u64, ended: u64, entries: u64) -> u64 {
        let lost = begun.saturating_sub(ended + self.removed + entries);
        let more = lost.saturating_sub(self.reported);
        self.reported += more;
        more
    }
}

#[cfg(test)]
mod tests;
