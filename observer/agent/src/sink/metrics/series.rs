//! Counters per pair of workloads: bounded in number, and removed some time after their workloads.

use std::collections::{BTreeMap, HashMap};

use arcstr::ArcStr;
use flow_model::decision::Decision;
use flow_model::flow::Counts;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::sink::metrics::config::MetricsConfig;
use crate::sink::metrics::labels::{PairKey, WorkloadName};
use crate::sink::metrics::outcomes::Outcomes;
use crate::sink::metrics::resets::{Reason, Resets, Told};

/// Interval between two searches for expired series.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// A counter that never decreases. Negative increments of the kernel are subtracted from later increments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Monotone {
    published: u64,
    debt: u64,
}

impl Monotone {
    pub(super) fn add(&mut self, delta: i64) {
        let amount = delta.unsigned_abs();
        if delta < 0 { self.owe(amount) } else { self.give(amount) }
    }

    pub(super) fn get(self) -> u64 {
        self.published
    }

    /// Returns the published count without what was taken back since.
    pub(super) fn net(self) -> u64 {
        self.published.saturating_sub(self.debt)
    }

    /// Subtracts this much from later increments.
    pub(super) fn owe(&mut self, amount: u64) {
        self.debt = self.debt.saturating_add(amount);
    }

    /// Uses `amount` for what was taken back before it was counted, and returns how much of it was used.
    pub(super) fn settle(&mut self, amount: u64) -> u64 {
        let paid = amount.min(self.debt.saturating_sub(self.published));
        self.debt -= paid;
        paid
    }

    pub(super) fn give(&mut self, amount: u64) {
        let paid = amount.min(self.debt);
        self.debt -= paid;
        self.published = self.published.saturating_add(amount - paid);
    }
}

/// The counters of one pair.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Series {
    pub(super) syn: Monotone,
    pub(super) syn_retransmits: Monotone,
    pub(super) resets: Resets,
    pub(super) outcomes: Outcomes,
    /// The drops, by reason.
    pub(super) drops: BTreeMap<ArcStr, u64>,
}

impl Series {
    /// Adds all counts but those of resets.
    fn add(&mut self, counts: &Counts, verdict: Decision) {
        self.syn.add(counts.syn);
        self.syn_retransmits.add(counts.syn_retransmits);
        self.outcomes.add(verdict, counts.outcomes);
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Slot {
    series: Series,
    updated: Timestamp,
    /// The time at which one of its workloads disappeared.
    departed: Option<Timestamp>,
}

/// The series as the next agent takes them over.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct KeptSeries {
    pairs: Vec<(PairKey, Slot)>,
    other: Option<Series>,
}

/// Holds the series of this node.
#[derive(Debug)]
pub(super) struct SeriesStore {
    slots: HashMap<PairKey, Slot>,
    other: Series,
    /// `_other` is published once it holds something.
    other_used: bool,
    swept: Timestamp,
    /// The reasons of resets that are not counted yet.
    told: Told,
    /// The kernel gives reasons, so that resets wait for theirs.
    has_reasons: bool,
    /// Counts of the agent before are still missing: a series that is published now would fall behind its last value.
    incomplete: bool,
    max_series: usize,
    departed_grace: SignedDuration,
    idle: SignedDuration,
}

impl SeriesStore {
    pub(super) fn new(config: &MetricsConfig) -> Self {
        Self {
            slots: HashMap::new(),
            other: Series::default(),
            other_used: false,
            swept: Timestamp::MIN,
            told: Told::new(),
            has_reasons: false,
            incomplete: false,
            max_series: config.max_series,
            departed_grace: config.departed_grace,
            idle: config.idle,
        }
    }

    /// Adds counts under this verdict to a pair's series, or to `_other`.
    pub(super) fn add(&mut self, key: Option<PairKey>, counts: &Counts, verdict: Decision, now: Timestamp) {
        // What is taken back from a series that is not there was folded, or has expired with it.
        let may_open = !takes_back(counts);
        let mut told = key.as_ref().map(|key| self.told.take(key, &counts.rst, now)).unwrap_or_default();
        let series = self.at(key.clone(), may_open, now);
        series.add(counts, verdict);
        series.resets.add(&counts.rst, &mut told, now);
        if let Some(key) = key {
            self.told.put_back(&key, told, now);
        }
    }

    /// Adds the reason of a reset that was counted, or will be.
    pub(super) fn explain(&mut self, told: Reason, now: Timestamp) {
        let series = self.slots.get_mut(&told.key).map(|slot| &mut slot.series.resets);
        self.told.note(told, series, now);
    }

    /// Says whether the kernel gives the reasons of resets.
    pub(super) fn set_has_reasons(&mut self, has_reasons: bool) {
        self.has_reasons = has_reasons;
    }

    /// Says whether counts of the agent before are still missing. Nothing is published meanwhile.
    pub(super) fn set_incomplete(&mut self, incomplete: bool) {
        self.incomplete = incomplete;
    }

    pub(super) fn add_drops(&mut self, key: Option<PairKey>, reason: ArcStr, count: u64, now: Timestamp) {
        let sum = self.at(key, true, now).drops.entry(reason).or_default();
        *sum = sum.saturating_add(count);
    }

    /// Starts the grace of every series that names one of these workloads. An update ends it.
    pub(super) fn depart(&mut self, workloads: &[WorkloadName], now: Timestamp) {
        self.sweep(now);
        for (key, slot) in &mut self.slots {
            if workloads.iter().any(|workload| key.names(workload)) {
                slot.departed.get_or_insert(now);
            }
        }
    }

    /// Returns a copy of the series to publish at this time, in any order.
    pub(super) fn snapshot(&mut self, now: Timestamp) -> Vec<(PairKey, Series)> {
        self.sweep(now);
        if self.incomplete {
            return Vec::new();
        }
        for slot in self.slots.values_mut() {
            slot.series.resets.settle(now, !self.has_reasons);
        }
        self.other.resets.settle(now, true);
        let other = self.other_used.then(|| (PairKey::other(), self.other.clone()));
        self.slots.iter().map(|(key, slot)| (key.clone(), slot.series.clone())).chain(other).collect()
    }

    /// Returns the number of pairs, without `_other`.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Returns the series for the next agent.
    pub(super) fn keep(&self) -> KeptSeries {
        let pairs = self.slots.iter().map(|(key, slot)| (key.clone(), slot.clone())).collect();
        KeptSeries { pairs, other: self.other_used.then(|| self.other.clone()) }
    }

    /// Goes on with the series of the agent before.
    pub(super) fn restore(&mut self, kept: KeptSeries) {
        self.slots = kept.pairs.into_iter().take(self.max_series).collect();
        if let Some(other) = kept.other {
            (self.other, self.other_used) = (other, true);
        }
    }

    fn at(&mut self, key: Option<PairKey>, may_open: bool, now: Timestamp) -> &mut Series {
        self.sweep(now);
        let known = key.as_ref().is_some_and(|key| self.slots.contains_key(key));
        match key {
            Some(key) if known || (may_open && self.slots.len() < self.max_series) => {
                let slot = self.slots.entry(key).or_insert_with(|| Slot {
                    series: Series::default(),
                    updated: now,
                    departed: None,
                });
                slot.updated = now;
                slot.departed = None;
                &mut slot.series
            }
            _ => {
                self.other_used = true;
                &mut self.other
            }
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        if now.duration_since(self.swept) < SWEEP_EVERY {
            return;
        }
        self.swept = now;
        self.slots.retain(|_, slot| {
            let idle = now.duration_since(slot.updated) > self.idle;
            let gone = slot.departed.is_some_and(|at| now.duration_since(at) > self.departed_grace);
            !idle && !gone
        });
    }
}

fn takes_back(counts: &Counts) -> bool {
    let Counts { syn, syn_retransmits, rst, outcomes } = counts;
    [*syn, *syn_retransmits].iter().chain(rst.iter().flatten()).chain(outcomes).any(|n| *n < 0)
}

#[cfg(test)]
mod tests;
