//! Takes the counters out of the kernel, every increment exactly once.
//!
//! The programs write to one generation of the maps. We flip them to the other one, wait until no program
//! can still hold the old one (an RCU grace period), then read and empty it.

use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray};
use flow_model::flow::Counts;
use flow_model::input::{Input, LostStage, PairDelta};
use observer_abi::{Counters, DropKey, PairKey, lost, vantage};

use crate::probes::batch::Batches;
use crate::probes::reasons::Reasons;
use crate::probes::vips::Unrecorded;
use crate::probes::{ProbeError, convert};

/// `MEMBARRIER_CMD_GLOBAL` is `synchronize_rcu()`: <https://github.com/torvalds/linux/blob/v6.12/kernel/sched/membarrier.c>.
const MEMBARRIER_CMD_GLOBAL: libc::c_long = 1;

struct Generation {
    pairs: Batches,
    drops: Batches,
    // The maps stay open as long as their batches are read; the programs hold them as well.
    _maps: [Map; 2],
}

impl Generation {
    fn new(ebpf: &mut Ebpf, pairs: &'static str, drops: &'static str) -> Result<Self, ProbeError> {
        let maps = [take(ebpf, pairs)?, take(ebpf, drops)?];
        let batches = |map| Batches::of(map).map_err(system("a counter map's descriptor"));
        Ok(Self { pairs: batches(&maps[0])?, drops: batches(&maps[1])?, _maps: maps })
    }
}

/// The maps that are drained.
pub(super) struct Drain {
    generations: [Generation; 2],
    active: Array<MapData, u32>,
    current: u32,
    remainder: PerCpuArray<MapData, Counters>,
    lost: PerCpuArray<MapData, u64>,
    seen_remainder: Counters,
    seen_lost: [u64; lost::COUNT as usize],
    pub(super) unrecorded: Unrecorded,
    /// Pairs in the generation drained last.
    pub(super) pairs_seen: usize,
}

impl Drain {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self {
            generations: [
                Generation::new(ebpf, "PAIRS_0", "DROPS_0")?,
                Generation::new(ebpf, "PAIRS_1", "DROPS_1")?,
            ],
            active: Array::try_from(take(ebpf, "ACTIVE")?).map_err(ProbeError::map("ACTIVE"))?,
            current: 0,
            remainder: PerCpuArray::try_from(take(ebpf, "REMAINDER")?)
                .map_err(ProbeError::map("REMAINDER"))?,
            lost: PerCpuArray::try_from(take(ebpf, "LOST")?).map_err(ProbeError::map("LOST"))?,
            seen_remainder: Counters::default(),
            seen_lost: [0; lost::COUNT as usize],
            unrecorded: Unrecorded::new(ebpf)?,
            pairs_seen: 0,
        })
    }

    /// Everything counted since the last call. Blocks for a grace period: some milliseconds.
    pub(super) fn take(&mut self, reasons: &Reasons) -> Result<Vec<Input>, ProbeError> {
        let old = self.current;
        self.current = 1 - old;
        self.active.set(0, self.current, 0).map_err(ProbeError::map("ACTIVE"))?;
        grace_period()?;
        let generation = &self.generations[old as usize];
        let pairs = generation.pairs.take::<PairKey, Counters>().map_err(system("reading the pair map"))?;
        let drops = generation.drops.take::<DropKey, u64>().map_err(system("reading the drop map"))?;
        let mut pairs: Vec<_> = pairs.iter().map(|(k, v)| convert::pair_delta(k, v)).collect();
        let mut drops: Vec<_> = drops.iter().map(|(k, n)| convert::drop_delta(k, *n, reasons)).collect();
        self.pairs_seen = pairs.len();
        pairs.extend(self.take_remainder()?);
        let lost = self.take_lost()?;
        drops.extend(
            lost.iter().filter(|(s, _)| *s == LostStage::Drops).map(|(_, n)| convert::drop_remainder(*n)),
        );
        let mut inputs: Vec<Input> =
            lost.into_iter().map(|(stage, count)| Input::Lost { stage, count }).collect();
        if !pairs.is_empty() {
            inputs.push(Input::Pairs { deltas: pairs });
        }
        if !drops.is_empty() {
            inputs.push(Input::Drops { deltas: drops });
        }
        inputs.extend(self.unrecorded.take()?.input());
        Ok(inputs)
    }

    fn take_remainder(&mut self) -> Result<Option<PairDelta>, ProbeError> {
        let mut sum = Counters::default();
        for slot in 0..vantage::COUNT as u32 {
            let values = self.remainder.get(&slot, 0).map_err(ProbeError::map("REMAINDER"))?;
            for cpu in values.iter() {
                sum = add(&sum, cpu);
            }
        }
        let delta = convert::counts(&subtract(&sum, &self.seen_remainder));
        self.seen_remainder = sum;
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
            let seen = &mut self.seen_lost[slot as usize];
            if now > *seen {
                out.push((stage, now - *seen));
                *seen = now;
            }
        }
        Ok(out)
    }
}

pub(super) fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, ProbeError> {
    ebpf.take_map(name).ok_or(ProbeError::NoMap(name))
}

pub(super) fn hash<K: aya::Pod, V: aya::Pod>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<HashMap<MapData, K, V>, ProbeError> {
    HashMap::try_from(take(ebpf, name)?).map_err(ProbeError::map(name))
}

fn system(what: &'static str) -> impl Fn(std::io::Error) -> ProbeError {
    move |source| ProbeError::System { what, source }
}

fn grace_period() -> Result<(), ProbeError> {
    membarrier().map_err(system("membarrier"))
}

fn membarrier() -> std::io::Result<()> {
    #![expect(unsafe_code, reason = "membarrier(2) has no safe wrapper")]
    // SAFETY: the call takes integers only.
    let rc = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if rc == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
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
mod tests {
    use super::*;

    #[test]
    fn a_correction_is_a_negative_delta() {
        let before = Counters { syn: 3, ..Counters::default() };
        let mut after = before;
        after.syn = after.syn.wrapping_sub(4);
        assert_eq!(convert::counts(&subtract(&after, &before)).syn, -4);
        assert_eq!(add(&before, &before).syn, 6);
    }
}
