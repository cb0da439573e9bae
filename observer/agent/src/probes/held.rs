//! Resets that an interface saw come in and none saw leave: for the node itself, into a tunnel, or dropped on the way.

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use flow_model::flow::{Counts, Phase, Side};
use flow_model::input::{Input, PairDelta, ResetSeen};
use observer_abi::HeldReset;

use crate::probes::batch::Batches;
use crate::probes::clock::{Clock, monotonic_ns};
use crate::probes::{ProbeError, convert, drain};

/// A packet is through the node sooner, or never.
const PASSAGE_NS: u64 = 100_000_000;

pub(super) struct Held {
    map: HashMap<MapData, u64, HeldReset>,
    all: Batches,
}

impl Held {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let map = drain::take(ebpf, "HELD")?;
        let all =
            Batches::of(&map).map_err(|source| ProbeError::System { what: "the held resets", source })?;
        Ok(Self { map: HashMap::try_from(map).map_err(ProbeError::map("HELD"))?, all })
    }

    /// Those that have been on their way for too long, at the end all of them, as their first hook saw them.
    pub(super) fn take(&mut self, clock: Clock, end: bool) -> Result<Vec<Input>, ProbeError> {
        let now_ns = monotonic_ns();
        let entries = self.all.read::<u64, HeldReset>();
        let entries =
            entries.map_err(|source| ProbeError::System { what: "reading the held resets", source })?;
        let (mut inputs, mut deltas) = (Vec::new(), Vec::new());
        for (mark, held) in entries {
            let stranded = end || now_ns.saturating_sub(held.time_ns) >= PASSAGE_NS;
            // Whoever removes it tells it: this, or the hook through which it leaves after all.
            if stranded && self.map.remove(&mark).is_ok() {
                let seen = convert::stranded(&held, clock);
                deltas.push(PairDelta { pair: Some(convert::pair_of_reset(&seen)), counts: one(&seen) });
                inputs.push(Input::Reset(seen));
            }
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
