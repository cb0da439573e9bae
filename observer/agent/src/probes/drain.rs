//! Takes the counters out of the kernel, every increment exactly once.
//!
//! The programs write to one generation of the maps. The drain makes them write to the other one, waits until no
//! program can still hold the old one (an RCU grace period), then reads and empties it. Where there is a journal, what was read
//! is written there before it is removed from the maps.
//!
//! Generations take turns, so that an agent whose predecessor was killed knows what became of the one that is not written
//! to: if the journal's newest entry is of that one, it was counted, and what is still in it goes; otherwise it was not.

mod totals;

use aya::Ebpf;
use aya::maps::{Array, Map, MapData, PerCpuArray};
use flow_model::flow::Counts;
use flow_model::input::{DropDelta, Input, LostStage, PairDelta};
use observer_abi::{Counters, DropKey, MAX_SINGLES, MORE_SINGLES, Merged, MergedKey, PairKey, Vantage, lost};
use tracing::warn;

use self::totals::{add, counters, numbers, subtract};
use crate::probes::batch::Batches;
use crate::probes::clock::Clock;
use crate::probes::error::ProbeError;
use crate::probes::faults::Faults;
use crate::probes::grace::Grace;
use crate::probes::journal::{Journal, JournalSettings, Position};
use crate::probes::pins::Left;
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
    /// Established attempts that have records of their own, by generation.
    singles: Array<MapData, u64>,
    active: Array<MapData, u32>,
    grace: Grace,
    current: u32,
    remainder: PerCpuArray<MapData, Counters>,
    lost: PerCpuArray<MapData, u64>,
    last_remainder: Counters,
    last_lost: [u64; lost::COUNT as usize],
    /// Identifies the maps, see [`Position::maps`].
    maps: String,
    journal: Option<Journal>,
    /// A generation that is in the journal, but could not be emptied.
    full: Option<u32>,
    faults: Faults,
    /// Pairs in the generation drained last.
    pub(super) pairs: usize,
}

impl Drain {
    /// Takes the maps out of the object. An earlier agent may have used them.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let active = maps::take(ebpf, "ACTIVE")?;
        let maps = identity(&active);
        let active: Array<MapData, u32> = Array::try_from(active).map_err(ProbeError::map("ACTIVE"))?;
        let current = active.get(&0, 0).map_err(ProbeError::map("ACTIVE"))? & 1;
        let mut drain = Self {
            generations: [
                Generation::new(ebpf, ["PAIRS_0", "DROPS_0", "MERGED_0"])?,
                Generation::new(ebpf, ["PAIRS_1", "DROPS_1", "MERGED_1"])?,
            ],
            singles: maps::array(ebpf, "SINGLES")?,
            active,
            grace: Grace::new().map_err(ProbeError::system("an array of maps"))?,
            current,
            remainder: maps::per_cpu(ebpf, "REMAINDER")?,
            lost: maps::per_cpu(ebpf, "LOST")?,
            last_remainder: Counters::default(),
            last_lost: [0; lost::COUNT as usize],
            maps,
            journal: None,
            full: None,
            faults: Faults::default(),
            pairs: 0,
        };
        drain.last_remainder = drain.read_remainder()?;
        drain.last_lost = drain.read_lost()?;
        Ok(drain)
    }

    /// Returns how many pairs can be counted between two readings.
    pub(super) fn pairs_capacity(&self) -> usize {
        self.generations[0].pairs.capacity()
    }

    /// Goes on where the agent before ended: returns what it had taken out of the maps and not handled yet, and what it left in
    /// the generation that is not written to. From now on the journal has what is taken.
    pub(super) fn recover(
        &mut self,
        journal: Option<&JournalSettings>,
        clock: Clock,
        reasons: &Reasons,
    ) -> Result<Vec<Input>, ProbeError> {
        let mut inputs = Vec::new();
        match journal.map(Journal::open) {
            Some(Ok((journal, missed))) => {
                inputs = missed;
                self.journal = Some(journal);
            }
            Some(Err(error)) => {
                warn!(%error, "there is no journal: if the agent is killed, its newest counts are lost");
            }
            None => {}
        }
        let inactive = 1 - self.current;
        let position = self.journal.as_ref().map(Journal::position).filter(|at| at.maps == self.maps);
        let is_counted = position.is_some_and(|at| at.generation == Some(inactive));
        if let Some(at) = position {
            self.last_remainder = counters(&at.remainder);
            self.last_lost = std::array::from_fn(|slot| at.lost.get(slot).copied().unwrap_or_default());
        }
        self.grace.wait().map_err(ProbeError::system("waiting for the programs"))?;
        inputs.extend(self.attempts(inactive, clock)?);
        if is_counted {
            self.full = Some(inactive);
            self.empty()?;
        } else {
            inputs.extend(self.read(inactive, reasons)?);
        }
        Ok(inputs)
    }

    /// Takes everything counted since the last call. Blocks for a grace period: some milliseconds.
    pub(super) fn take(&mut self, clock: Clock, reasons: &Reasons) -> Result<Vec<Input>, ProbeError> {
        self.empty()?;
        let old = self.current;
        self.current = 1 - old;
        self.allow_singles(old)?;
        self.active.set(0, self.current, 0).map_err(ProbeError::map("ACTIVE"))?;
        self.grace.wait().map_err(ProbeError::system("waiting for the programs"))?;
        let mut inputs = self.attempts(old, clock)?;
        inputs.extend(self.read(old, reasons)?);
        Ok(inputs)
    }

    /// Sets how many of the established attempts that the next generation begins with count as told one by one: those of the one
    /// before, less what a drain allows.
    fn allow_singles(&mut self, before: u32) -> Result<(), ProbeError> {
        let told = self.singles.get(&before, 0).map_err(ProbeError::map("SINGLES"))?;
        let told = told.min(MAX_SINGLES).saturating_sub(MORE_SINGLES);
        self.singles.set(self.current, told, 0).map_err(ProbeError::map("SINGLES"))
    }

    /// Takes the established attempts without records of their own of a generation that is not written to. They come before the
    /// counters of their pairs, as those with records do. The journal has none of them: it is for counts.
    fn attempts(&mut self, generation: u32, clock: Clock) -> Result<Vec<Input>, ProbeError> {
        let merged = self.generations[generation as usize].merged.take();
        let merged = merged.map_err(ProbeError::system("reading the map of established attempts"))?;
        Ok(attempts(&merged, clock, &mut self.faults))
    }

    /// Writes inputs to the journal that come from elsewhere. Returns the number of the newest entry.
    pub(super) fn note(&mut self, inputs: &[Input]) -> u64 {
        if !inputs.is_empty() {
            let generation = self.journal.as_ref().and_then(|journal| journal.position().generation);
            self.append(generation, inputs);
        }
        self.journal.as_ref().map_or(0, Journal::seq)
    }

    /// Takes the counts that an earlier agent left in maps of another layout.
    pub(super) fn adopt(&mut self, left: &Left, reasons: &Reasons) -> Vec<Input> {
        let pairs = pair_deltas(&left.pairs, &mut self.faults);
        let drops = left.drops.iter().map(|(key, count)| convert::drop_delta(key, *count, reasons));
        let inputs = inputs(Vec::new(), self.faults.take(), pairs, drops.collect());
        self.note(&inputs);
        inputs
    }

    /// Takes the counts of a generation that is not written to.
    fn read(&mut self, generation: u32, reasons: &Reasons) -> Result<Vec<Input>, ProbeError> {
        let Generation { pairs, drops, .. } = &self.generations[generation as usize];
        let journaled = self.journal.is_some();
        let pairs = if journaled { pairs.read() } else { pairs.take() };
        let pairs = pairs.map_err(ProbeError::system("reading the pair map"))?;
        let drops = if journaled { drops.read::<DropKey, u64>() } else { drops.take() };
        let drops = drops.map_err(ProbeError::system("reading the drop map"))?;
        self.pairs = pairs.len();
        let mut pairs = pair_deltas(&pairs, &mut self.faults);
        pairs.extend(self.take_remainder()?);
        let lost = self.take_lost()?;
        let mut drops: Vec<_> = drops.iter().map(|(k, n)| convert::drop_delta(k, *n, reasons)).collect();
        drops.extend(
            lost.iter().filter(|(s, _)| *s == LostStage::Drops).map(|(_, n)| convert::drop_remainder(*n)),
        );
        let inputs = inputs(lost, self.faults.take(), pairs, drops);
        if journaled {
            self.append(Some(generation), &inputs);
            self.full = Some(generation);
            self.empty()?;
        }
        Ok(inputs)
    }

    /// Writes to the journal. One that can't be written is given up, and so are counts if the agent is killed.
    fn append(&mut self, generation: Option<u32>, inputs: &[Input]) {
        let Some(journal) = &mut self.journal else { return };
        let (remainder, lost) = (numbers(&self.last_remainder), self.last_lost.to_vec());
        let position = Position { maps: self.maps.clone(), generation, remainder, lost };
        if let Err(error) = journal.append(position, inputs) {
            warn!(%error, "the journal can't be written: if the agent is killed, its newest counts are lost");
            self.journal = None;
        }
    }

    /// Empties the generation that is in the journal. Nothing is drained before that is done.
    fn empty(&mut self) -> Result<(), ProbeError> {
        let Some(generation) = self.full else { return Ok(()) };
        let Generation { pairs, drops, .. } = &self.generations[generation as usize];
        pairs.take::<PairKey, Counters>().map_err(ProbeError::system("emptying the pair map"))?;
        drops.take::<DropKey, u64>().map_err(ProbeError::system("emptying the drop map"))?;
        self.full = None;
        Ok(())
    }

    fn read_remainder(&self) -> Result<Counters, ProbeError> {
        let mut sum = Counters::default();
        for slot in 0..Vantage::ALL.len() as u32 {
            let values = self.remainder.get(&slot, 0).map_err(ProbeError::map("REMAINDER"))?;
            for cpu in values.iter() {
                sum = add(&sum, cpu);
            }
        }
        Ok(sum)
    }

    fn read_lost(&self) -> Result<[u64; lost::COUNT as usize], ProbeError> {
        let mut sums = [0; lost::COUNT as usize];
        for (slot, sum) in (0..).zip(&mut sums) {
            *sum = self.lost.get(&slot, 0).map_err(ProbeError::map("LOST"))?.iter().sum();
        }
        Ok(sums)
    }

    fn take_remainder(&mut self) -> Result<Option<PairDelta>, ProbeError> {
        let sum = self.read_remainder()?;
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
        let now = self.read_lost()?;
        let last = std::mem::replace(&mut self.last_lost, now);
        let more =
            |(slot, stage): (u32, LostStage)| (stage, now[slot as usize].saturating_sub(last[slot as usize]));
        Ok(stages.into_iter().map(more).filter(|(_, count)| *count > 0).collect())
    }
}

/// Converts established attempts without records of their own.
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

/// Returns what identifies the maps: the kernel's number of one of them, which it gives once until the machine restarts.
fn identity(active: &Map) -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = if let Map::Array(data) = active { data.info().map_or(0, |info| info.id()) } else { 0 };
    format!("{} {id}", boot.trim())
}

#[cfg(test)]
mod tests;
