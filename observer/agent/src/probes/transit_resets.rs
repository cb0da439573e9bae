//! Resets that an interface saw come in and none saw leave: for the node itself, into a tunnel, or dropped on the way.

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use flow_model::flow::{Counts, Phase, Side};
use flow_model::input::{Input, PairDelta, ResetSeen};
use observer_abi::TransitReset;

use crate::probes::batch::Batches;
use crate::probes::clock::{Clock, monotonic_ns};
use crate::probes::error::ProbeError;
use crate::probes::{convert, maps};

/// Time that a packet may take through the node. One that takes longer will not leave.
const PASSAGE_NS: u64 = 100_000_000;

/// Owns the map of resets on their way.
pub(super) struct TransitResets {
    map: HashMap<MapData, u64, TransitReset>,
    all: Batches,
}

impl TransitResets {
    /// Takes the map out of the object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let map = maps::take(ebpf, "RESETS")?;
        let all = Batches::of(&map).map_err(ProbeError::system("the map of resets"))?;
        Ok(Self { map: HashMap::try_from(map).map_err(ProbeError::map("RESETS"))?, all })
    }

    /// Takes the resets that did not leave in time, at the end all of them, as their first hook saw them.
    pub(super) fn take(&mut self, clock: Clock, end: bool) -> Result<Vec<Input>, ProbeError> {
        let now_ns = monotonic_ns();
        let entries = self.all.read::<u64, TransitReset>();
        let entries = entries.map_err(ProbeError::system("reading the map of resets"))?;
        let (mut inputs, mut deltas) = (Vec::new(), Vec::new());
        for (mark, reset) in entries {
            let stranded = end || now_ns.saturating_sub(reset.time_ns) >= PASSAGE_NS;
            // The one that removes the entry reports it: this, or the hook through which the packet leaves after all.
            if !stranded || self.map.remove(&mark).is_err() {
                continue;
            }
            let Some(seen) = convert::stranded(&reset, clock) else {
                inputs.push(convert::undecodable(1));
                continue;
            };
            deltas.push(PairDelta { pair: Some(convert::pair_of_reset(&seen)), counts: one(&seen) });
            inputs.push(Input::Reset(seen));
        }
        if !deltas.is_empty() {
            inputs.push(Input::Pairs { deltas });
        }
        Ok(inputs)
    }
}

fn one(seen: &ResetSeen) -> Counts {
    let mut counts = Counts::default();
    counts.rst[usize::from(seen.by == Side::Server)][Phase::Orphan as usize] = 1;
    counts
}
