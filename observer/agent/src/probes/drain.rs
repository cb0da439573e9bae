//! Takes the counters out of the kernel, every increment exactly once.
//!
//! The programs write to one generation of the maps. The drain makes them write to the other one, waits until no
//! program can still hold the old one (an RCU grace period), then reads and empties it.

use aya::Ebpf;
use aya::maps::{Array, Map, MapData, PerCpuArray};
use flow_model::flow::Counts;
use flow_model::input::{DropDelta, Input, LostStage, PairDelta};
use observer_abi::{Counters, DropKey, Merged, MergedKey, PairKey, Vantage, lost};

use crate::probes::batch::Batches;
use crate::probes::clock::Clock;
use crate::probes::error::ProbeError;
use crate::probes::faults::Faults;
use crate::probes::grace::Grace;
use crate::probes::reasons::Reasons;
use crate::probes::{convert, maps};

/// Holds one of the sets of counter maps.
struct Generation {
    pairs: Batches,
    drops: Batches,
    merged: Batches,
    // The maps stay open as long as their batches are read; the programs hold them as well.
    _maps: [Map; 3],
}

impl Generation {
    fn new(ebpf: &mut Ebpf, [pairs, drops, merged]: [&'static str; 3]) -> Result<Self, ProbeError> {
        let maps = [maps::take(ebpf, pairs)?, maps::take(ebpf, drops)?, maps::take(ebpf, merged)?];
        let batches = |map| Batches::of(map).map_err(ProbeError::system("a counter map's descriptor"));
        let [pairs, drops, merged] = [batches(&maps[0])?, batches(&maps[1])?, batches(&maps[2])?];
        Ok(Self { pairs, drops, merged, _maps: maps })
    }
}

/// Owns the maps that are drained.
pub(super) struct Drain {
    generations: [Generation; 2],
    /// Established attempts that had records of their own, by generation.
    singles: Array<MapData, u64>,
    active: Array<MapData, u32>,
    grace: Grace,
    current: u32,
    remainder: PerCpuArray<MapData, Counters>,
    lost: PerCpuArray<MapData, u64>,
    last_remainder: Counters,
    last_lost: [u64; lost::COUNT as usize],
    faults: Faults,
    /// Pairs in the generation drained last.
    pub(super) pairs: usize,
}

impl Drain {
    /// Takes the maps out of the object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self {
            generations: [
                Generation::new(ebpf, ["PAIRS_0", "DROPS_0", "MERGED_0"])?,
                Generation::new(ebpf, ["PAIRS_1", "DROPS_1", "MERGED_1"])?,
            ],
            singles: maps::array(ebpf, "SINGLES")?,
            active: maps::array(ebpf, "ACTIVE")?,
            grace: Grace::new().map_err(ProbeError::system("an array of maps"))?,
            current: 0,
            remainder: maps::per_cpu(ebpf, "REMAINDER")?,
            lost: maps::per_cpu(ebpf, "LOST")?,
            last_remainder: Counters::default(),
            last_lost: [0; lost::COUNT as usize],
            faults: Faults::default(),
            pairs: 0,
        })
    }

    /// Takes everything counted since the last call. Blocks for a grace period: some milliseconds.
    pub(super) fn take(&mut self, clock: Clock, reasons: &Reasons) -> Result<Vec<Input>, ProbeError> {
        let old = self.current;
        self.current = 1 - old;
        self.active.set(0, self.current, 0).map_err(ProbeError::map("ACTIVE"))?;
        self.grace.wait().map_err(ProbeError::system("waiting for the programs"))?;
        self.singles.set(old, 0, 0).map_err(ProbeError::map("SINGLES"))?;
        let Generation { pairs, drops, merged, .. } = &self.generations[old as usize];
        let merged = merged.take().map_err(ProbeError::system("reading the map of established attempts"))?;
        let pairs = pairs.take().map_err(ProbeError::system("reading the pair map"))?;
        let drops = drops.take::<DropKey, u64>().map_err(ProbeError::system("reading the drop map"))?;
        self.pairs = pairs.len();
        let mut attempts = attempts(&merged, clock, &mut self.faults);
        let mut pairs = pair_deltas(&pairs, &mut self.faults);
        pairs.extend(self.take_remainder()?);
        let lost = self.take_lost()?;
        let mut drops: Vec<_> = drops.iter().map(|(k, n)| convert::drop_delta(k, *n, reasons)).collect();
        drops.extend(
            lost.iter().filter(|(s, _)| *s == LostStage::Drops).map(|(_, n)| convert::drop_remainder(*n)),
        );
        attempts.extend(inputs(lost, self.faults.take(), pairs, drops));
        Ok(attempts)
    }

    fn take_remainder(&mut self) -> Result<Option<PairDelta>, ProbeError> {
        let mut sum = Counters::default();
        for slot in 0..Vantage::ALL.len() as u32 {
            let values = self.remainder.get(&slot, 0).map_err(ProbeError::map("REMAINDER"))?;
            for cpu in values.iter() {
                sum = add(&sum, cpu);
            }
        }
        let delta = convert::counts(&subtract(&sum, &self.last_remainder));
        self.last_remainder = sum;
        Ok((delta != Counts::default()).then(|| convert::remainder(delta)))
    }

    fn take_lost(&mut self) -> Result<Vec<(LostStage, u64)>, ProbeError> {
        let stages = [
            (lost::RING, LostStage::Ring),
            (lost::PAIRS, LostStage::Pairs),
            (lost::CONNS, LostStage::Handshakes),
            (lost::DROPS, LostStage::Drops),
        ];
        let mut out = Vec::new();
        for (slot, stage) in stages {
            let values = self.lost.get(&slot, 0).map_err(ProbeError::map("LOST"))?;
            let now: u64 = values.iter().sum();
            let last = &mut self.last_lost[slot as usize];
            if now > *last {
                out.push((stage, now - *last));
                *last = now;
            }
        }
        Ok(out)
    }
}

/// Converts established attempts without records of their own. They come before the counters of their pairs, as those with
/// records do.
fn attempts(merged: &[(MergedKey, Merged)], clock: Clock, faults: &mut Faults) -> Vec<Input> {
    // The program that makes an entry counts in it right after that.
    let counted = merged.iter().filter(|(_, merged)| merged.count > 0);
    counted.filter_map(|(key, merged)| faults.check(convert::merged(key, merged, clock))).collect()
}

/// Converts drained pairs. The increments of those with an unknown vantage go to the remainder, so that totals stay
/// exact.
fn pair_deltas(pairs: &[(PairKey, Counters)], faults: &mut Faults) -> Vec<PairDelta> {
    let convert = |(key, counters): &(PairKey, Counters)| {
        let delta = faults.check(convert::pair_delta(key, counters));
        delta.unwrap_or_else(|| convert::remainder(convert::counts(counters)))
    };
    pairs.iter().map(convert).collect()
}

fn inputs(
    lost: Vec<(LostStage, u64)>,
    undecodable: Option<Input>,
    pairs: Vec<PairDelta>,
    drops: Vec<DropDelta>,
) -> Vec<Input> {
    let mut inputs: Vec<Input> =
        lost.into_iter().map(|(stage, count)| Input::Lost { stage, count }).collect();
    inputs.extend(undecodable);
    if !pairs.is_empty() {
        inputs.push(Input::Pairs { deltas: pairs });
    }
    if !drops.is_empty() {
        inputs.push(Input::Drops { deltas: drops });
    }
    inputs
}

fn add(a: &Counters, b: &Counters) -> Counters {
    combine(a, b, u64::wrapping_add)
}

fn subtract(a: &Counters, b: &Counters) -> Counters {
    combine(a, b, u64::wrapping_sub)
}

fn combine(a: &Counters, b: &Counters, f: fn(u64, u64) -> u64) -> Counters {
    Counters {
        syn: f(a.syn, b.syn),
        syn_retransmits: f(a.syn_retransmits, b.syn_retransmits),
        rst: std::array::from_fn(|s| std::array::from_fn(|p| f(a.rst[s][p], b.rst[s][p]))),
        outcomes: std::array::from_fn(|o| f(a.outcomes[o], b.outcomes[o])),
    }
}

#[cfg(test)]
mod tests;
