//! Resets that an interface saw come in and none saw leave: for the node itself, into a tunnel, or dropped on the way.

use std::sync::Arc;

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use flow_model::flow::{Counts, Phase, RstOrigin, Side};
use flow_model::input::Input;
use observer_abi::{TransitReset, Vantage};
use parking_lot::Mutex;

use crate::probes::batch::Batches;
use crate::probes::clock::{Clock, monotonic_ns};
use crate::probes::error::ProbeError;
use crate::probes::faults::Faults;
use crate::probes::reset_reasons::{Answer, ResetReasons, Rst};
use crate::probes::{convert, maps};

/// Time that a packet may take through the node. One that takes longer will not leave.
const PASSAGE_NS: u64 = 100_000_000;

/// Owns the map of resets on their way.
pub(super) struct TransitResets {
    map: HashMap<MapData, u64, TransitReset>,
    all: Batches,
    /// Is absent where the kernel gives no reasons for resets.
    reasons: Option<Arc<Mutex<ResetReasons>>>,
    faults: Faults,
}

impl TransitResets {
    /// Takes the map out of the object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let map = maps::take(ebpf, "RESETS")?;
        let all = Batches::of(&map).map_err(ProbeError::system("the map of resets"))?;
        let map = HashMap::try_from(map).map_err(ProbeError::map("RESETS"))?;
        Ok(Self { map, all, reasons: None, faults: Faults::default() })
    }

    /// Gives resets their reasons.
    pub(super) fn explain(&mut self, reasons: Arc<Mutex<ResetReasons>>) {
        self.reasons = Some(reasons);
    }

    /// Takes the resets that did not leave in time, at the end all of them, as their first hook saw them.
    pub(super) fn take(&mut self, clock: Clock, end: bool) -> Result<Vec<Input>, ProbeError> {
        let now_ns = monotonic_ns();
        let entries = self.all.read::<u64, TransitReset>();
        let entries = entries.map_err(ProbeError::system("reading the map of resets"))?;
        let mut stranded = Vec::new();
        for (mark, reset) in entries {
            let is_late = |reset: &TransitReset| end || now_ns.saturating_sub(reset.time_ns) >= PASSAGE_NS;
            if !is_late(&reset) {
                continue;
            }
            // It may have left since it was read, or another one like it may be on its way.
            let Ok(now) = self.map.get(&mark, 0) else { continue };
            // The one that removes the entry reports it: this, or a hook that knows the connection after all.
            if is_late(&now) && self.map.remove(&mark).is_ok() && now.reported == 0 {
                stranded.push((mark, now));
            }
        }
        let resets = stranded
            .iter()
            .map(|(mark, reset)| (counts(reset), convert::stranded(reset, self.origin(*mark, reset), clock)))
            .collect::<Vec<_>>();
        Ok(convert::once(resets, &mut self.faults))
    }

    /// Returns what is known of a reset that has waited long enough for TCP to announce it.
    fn origin(&self, mark: u64, reset: &TransitReset) -> RstOrigin {
        // Only an uplink makes it transit.
        let here = reset.vantage != Vantage::Transit.byte();
        let rst = Rst { mark, time_ns: reset.time_ns, here };
        match self.reasons.as_ref().map(|reasons| reasons.lock().answer(rst)) {
            Some(Answer::Final(origin)) => origin,
            Some(Answer::Later) | None => RstOrigin::default(),
        }
    }
}

/// Returns the counts of a stranded reset: only orphans wait in the map.
fn counts(reset: &TransitReset) -> Counts {
    let mut counts = Counts::default();
    let by = if reset.by == observer_abi::Side::Client.byte() { Side::Client } else { Side::Server };
    counts.rst[by as usize][Phase::Orphan as usize] = 1;
    counts
}

#[cfg(test)]
mod tests;
