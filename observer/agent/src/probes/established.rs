//! Established attempts: how long their handshakes took, and whether each has a record of its own.

use std::time::Duration;

use aya::Ebpf;
use aya::maps::{Array, MapData, PerCpuArray};
use flow_model::flow::{LATENCY_BOUNDS_US, Latencies, Vantage};
use observer_abi as abi;
use strum::VariantArray;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::probes::error::ProbeError;
use crate::probes::load::Loaded;
use crate::probes::maps;

/// The programs and the metrics have the same buckets.
const _: () = {
    let mut at = 0;
    while at < LATENCY_BOUNDS_US.len() {
        assert!(LATENCY_BOUNDS_US[at] == abi::LATENCY_BOUNDS_US[at]);
        at += 1;
    }
    assert!(at == abi::LATENCY_BOUNDS_US.len());
};

/// Owns the counts of the time that handshakes took.
pub(super) struct HandshakeTimes {
    counters: PerCpuArray<MapData, abi::Latencies>,
    last: [abi::Latencies; Vantage::VARIANTS.len()],
}

impl HandshakeTimes {
    /// Takes the counters out of the object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self { counters: maps::per_cpu(ebpf, "LATENCIES")?, last: Default::default() })
    }

    /// Returns the counts since the last call. Those that can't be read are in the next ones.
    pub(super) fn take(&mut self) -> Vec<(Vantage, Latencies)> {
        let vantages = Vantage::VARIANTS.iter().zip(&mut self.last);
        let since = vantages.zip(0..).filter_map(|((vantage, last), slot)| {
            let values = self.counters.get(&slot, 0).ok()?;
            let now = values.iter().fold(abi::Latencies::default(), add);
            let more = difference(&now, last);
            *last = now;
            (more != Latencies::default()).then_some((*vantage, more))
        });
        since.collect()
    }
}

fn add(sum: abi::Latencies, more: &abi::Latencies) -> abi::Latencies {
    abi::Latencies {
        buckets: std::array::from_fn(|n| sum.buckets[n].wrapping_add(more.buckets[n])),
        sum_ns: sum.sum_ns.wrapping_add(more.sum_ns),
    }
}

fn difference(now: &abi::Latencies, last: &abi::Latencies) -> Latencies {
    Latencies {
        buckets: std::array::from_fn(|n| now.buckets[n].saturating_sub(last.buckets[n])),
        sum: Duration::from_nanos(now.sum_ns.saturating_sub(last.sum_ns)),
    }
}

/// Owns the switch that gives each attempt a record of its own.
pub struct Followed(Array<MapData, u32>);

impl Followed {
    /// Takes the switch out of a loaded object.
    ///
    /// # Errors
    /// Fails when the map is missing, has another type, or was taken before.
    pub fn new(loaded: &mut Loaded) -> Result<Self, ProbeError> {
        Ok(Self(maps::array(&mut loaded.ebpf, "FOLLOWED")?))
    }

    /// Turns the switch.
    ///
    /// # Errors
    /// Fails when the map can't be written.
    pub fn set(&mut self, followed: bool) -> Result<(), ProbeError> {
        self.0.set(0, u32::from(followed), 0).map_err(ProbeError::map("FOLLOWED"))
    }

    /// Turns the switch while there are readers of single records.
    pub(super) async fn follow(mut self, mut readers: watch::Receiver<usize>, cancel: CancellationToken) {
        loop {
            let followed = *readers.borrow_and_update() > 0;
            if let Err(error) = self.set(followed) {
                warn!(%error, "under load, records of established connections stand for several of them");
            }
            tokio::select! {
                changed = readers.changed() => if changed.is_err() { return },
                () = cancel.cancelled() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
