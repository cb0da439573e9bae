//! Resets by sender, phase and reason.
//!
//! The kernel's maps count every RST, and records tell the reasons of most, a little earlier or later than the count. A RST
//! without a reason is published when none can come any more: a counter never falls, so that it can't get one afterwards.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use arcstr::ArcStr;
use flow_model::flow::{Outcome, Phase, Side};
use flow_model::record::Event;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::sink::metrics::labels::PairKey;
use crate::sink::metrics::series::Monotone;

/// A reason comes at most this much later than the count: resets are held back for 100 ms until TCP has announced them.
const LATE: SignedDuration = SignedDuration::from_millis(500);
/// A reason comes at most this much earlier. The maps are read several times within it.
const EARLY: SignedDuration = SignedDuration::from_secs(2);
/// The most reasons, by pair and phase, that wait for their counts.
const MAX_TOLD: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");

/// A number for each reason.
type Reasons = BTreeMap<ArcStr, u64>;
/// The reasons of one pair: `[Side][Phase]`.
type ByPhase = [[Reasons; 3]; 2];

/// The counters of one pair: `[Side][Phase]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Resets([[Counter; 3]; 2]);

/// The resets of one side in one phase.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counter {
    /// All, also those that wait.
    total: Monotone,
    /// Published with a reason.
    explained: Reasons,
    /// Published without.
    unexplained: u64,
    /// The time since which some wait for their reason.
    waiting_since: Option<Timestamp>,
}

/// The reasons that came before their counts.
#[derive(Debug)]
pub(super) struct Told(LruCache<(PairKey, Side, Phase), (Timestamp, Reasons)>);

/// A reason that a record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) key: PairKey,
    pub(super) by: Side,
    pub(super) phase: Phase,
    pub(super) reason: ArcStr,
}

impl Resets {
    /// Adds increments, in the order of [`flow_model::flow::Counts::rst`]. Takes from `told` the reasons that came before; what
    /// has none waits until [`Resets::settle`].
    pub(super) fn add(&mut self, deltas: &[[i64; 3]; 2], told: &mut ByPhase, now: Timestamp) {
        let counters = self.0.iter_mut().flatten().zip(deltas.iter().flatten());
        for ((counter, delta), told) in counters.zip(told.iter_mut().flatten()) {
            counter.total.add(*delta);
            counter.take(told);
            if counter.waiting() > 0 {
                counter.waiting_since.get_or_insert(now);
            }
        }
    }

    /// Gives a reason to a reset that waits for one. False if none does.
    fn explain(&mut self, (by, phase): (Side, Phase), reason: &ArcStr) -> bool {
        let counter = &mut self.0[by as usize][phase as usize];
        counter.explain(reason, 1) == 1
    }

    /// Publishes those without a reason that have waited long enough, or all.
    pub(super) fn settle(&mut self, now: Timestamp, all: bool) {
        for counter in self.0.iter_mut().flatten() {
            let due = |since: Timestamp| all || now.duration_since(since).abs() >= LATE;
            if counter.waiting_since.is_some_and(due) {
                counter.unexplained += counter.waiting();
                counter.waiting_since = None;
            }
        }
    }

    /// Returns what to publish. The reason is empty where none is known.
    pub(super) fn published(&self) -> impl Iterator<Item = (Side, Phase, &str, u64)> {
        let sides = Side::VARIANTS.iter().zip(&self.0);
        let counters = sides.flat_map(|(side, row)| {
            Phase::VARIANTS.iter().zip(row).map(|(phase, counter)| (*side, *phase, counter))
        });
        counters.flat_map(|(side, phase, counter)| {
            let explained = counter.explained.iter().map(|(reason, count)| (reason.as_str(), *count));
            explained.chain([("", counter.unexplained)]).map(move |(reason, n)| (side, phase, reason, n))
        })
    }
}

impl Counter {
    fn waiting(&self) -> u64 {
        let published = self.explained.values().sum::<u64>() + self.unexplained;
        self.total.get().saturating_sub(published)
    }

    /// Gives as many reasons as there are resets that wait.
    fn take(&mut self, told: &mut Reasons) {
        told.retain(|reason, count| {
            *count -= self.explain(reason, *count);
            *count > 0
        });
    }

    /// Gives a reason to as many as wait, at most to `count`. Returns their number.
    fn explain(&mut self, reason: &ArcStr, count: u64) -> u64 {
        let given = count.min(self.waiting());
        if given > 0 {
            *self.explained.entry(reason.clone()).or_default() += given;
        }
        if self.waiting() == 0 {
            self.waiting_since = None;
        }
        given
    }
}

impl Told {
    pub(super) fn new() -> Self {
        Self(LruCache::new(MAX_TOLD))
    }

    /// Notes a reason, for one that waits in `series` or for one that will be counted.
    pub(super) fn note(&mut self, told: Reason, series: Option<&mut Resets>, now: Timestamp) {
        let Reason { key, by, phase, reason } = told;
        if series.is_some_and(|resets| resets.explain((by, phase), &reason)) {
            return;
        }
        let (since, reasons) = self.0.get_or_insert_mut((key, by, phase), || (now, Reasons::new()));
        if now.duration_since(*since).abs() > EARLY {
            reasons.clear();
        }
        *since = now;
        *reasons.entry(reason).or_default() += 1;
    }

    /// Takes the reasons for the resets that are counted now.
    pub(super) fn take(&mut self, key: &PairKey, deltas: &[[i64; 3]; 2], now: Timestamp) -> ByPhase {
        let mut told = ByPhase::default();
        if !self.0.is_empty() {
            let counted = places().zip(deltas.iter().flatten()).filter(|(_, delta)| **delta > 0);
            for ((side, phase), _) in counted {
                let entry = self.0.pop(&(key.clone(), side, phase));
                let fresh = entry.filter(|(since, _)| now.duration_since(*since).abs() <= EARLY);
                told[side as usize][phase as usize] = fresh.map(|(_, reasons)| reasons).unwrap_or_default();
            }
        }
        told
    }

    /// Puts back the reasons of those that are not counted yet.
    pub(super) fn put_back(&mut self, key: &PairKey, told: ByPhase, now: Timestamp) {
        for ((side, phase), reasons) in places().zip(told.into_iter().flatten()) {
            if !reasons.is_empty() {
                self.0.put((key.clone(), side, phase), (now, reasons));
            }
        }
    }
}

fn places() -> impl Iterator<Item = (Side, Phase)> {
    Side::VARIANTS.iter().flat_map(|side| Phase::VARIANTS.iter().map(|phase| (*side, *phase)))
}

impl Reason {
    /// Returns the reason of the RST that a record is about.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let (src, dst, vantage, by, phase, origin) = match event {
            Event::Reset(reset) => {
                (&reset.src, &reset.dst, reset.vantage, reset.by, reset.phase, &reset.origin)
            }
            Event::Attempt(attempt) if attempt.outcome == Outcome::Refused => {
                let (src, dst, origin) = (&attempt.src, &attempt.dst, &attempt.origin);
                (src, dst, attempt.vantage, Side::Server, Phase::Handshake, origin)
            }
            _ => return None,
        };
        let reason = origin.reason.clone()?;
        Some(Self { key: PairKey::new(src, dst, vantage), by, phase, reason })
    }
}

#[cfg(test)]
mod tests;
