//! Counts of announcements that made no record.

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use flow_model::input::Input;
use observer_abi::claims;
use tracing::debug;

use crate::probes::error::ProbeError;
use crate::probes::maps;

/// Announcements that made no record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaimCounts {
    /// Their addresses are no known VIPs.
    pub unknown: u64,
    /// They are malformed, or name addresses that no host can have.
    pub ignored: u64,
    /// They claim known VIPs, but came faster than records are made.
    pub throttled: u64,
}

impl ClaimCounts {
    /// Returns the part of the counts that the engine gets.
    pub(super) fn input(self) -> Option<Input> {
        if self.ignored > 0 || self.throttled > 0 {
            debug!(self.ignored, self.throttled, "announcements without a record");
        }
        (self.unknown > 0).then_some(Input::Unclaimed { count: self.unknown })
    }
}

/// Owns the counters.
pub(super) struct Unrecorded {
    counters: PerCpuArray<MapData, u64>,
    last: [u64; claims::COUNT as usize],
}

impl Unrecorded {
    /// Takes the counters out of the object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self { counters: maps::per_cpu(ebpf, "CLAIMS")?, last: [0; claims::COUNT as usize] })
    }

    /// Returns the counts since the last call.
    pub(super) fn take(&mut self) -> Result<ClaimCounts, ProbeError> {
        let mut since = |slot: u32| -> Result<u64, ProbeError> {
            let values = self.counters.get(&slot, 0).map_err(ProbeError::map("CLAIMS"))?;
            let now: u64 = values.iter().sum();
            let last = std::mem::replace(&mut self.last[slot as usize], now);
            Ok(now.saturating_sub(last))
        };
        Ok(ClaimCounts {
            unknown: since(claims::UNKNOWN)?,
            ignored: since(claims::IGNORED)?,
            throttled: since(claims::THROTTLED)?,
        })
    }
}
