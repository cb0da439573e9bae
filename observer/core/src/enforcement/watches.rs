//! The changes whose effect is awaited.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use crate::enforcement::HORIZON;

/// A change is enforced once nothing has contradicted it for this long after the first attempt that agrees. It concerns
/// many pods, and the enforcer does not change their rules at once.
const CONFIRM: SignedDuration = SignedDuration::from_secs(15);
/// Without a contradiction, the first attempt that agrees bounds the lag only from above: it may come an hour after the
/// change. Such a bound is a measurement if it is at most this, which is too little to count as slow anywhere.
const QUICK: SignedDuration = SignedDuration::from_secs(5);

/// Identifies a change: by its time, and the address of a new pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) at: Timestamp,
    pub(super) address: Option<IpAddr>,
}

/// How long a change took to be enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// The age of the change at the last contradiction, or else at the first attempt that agreed.
    pub(super) lag: SignedDuration,
    /// The age at the first attempt that agreed, after all contradictions.
    pub(super) at_most: SignedDuration,
}

/// The changes that are being measured, and those that were lately, so that none is measured twice.
#[derive(Debug)]
pub(super) struct Watches {
    max: usize,
    watched: BTreeMap<Key, Watch>,
    /// Changes up to this one gave way to newer ones, and are not measured any more.
    gave_way: Option<Key>,
}

#[derive(Debug, Default)]
struct Watch {
    contradicted: Option<Timestamp>,
    /// The first attempt that agreed after the last contradiction.
    agreed: Option<Timestamp>,
    is_measured: bool,
}

impl Watches {
    /// Watches up to `max` changes at once; the oldest gives way to a newer one.
    pub(super) fn new(max: usize) -> Self {
        Self { max, watched: BTreeMap::new(), gave_way: None }
    }

    /// Notes an attempt that contradicts the verdict after this change.
    pub(super) fn contradicted(&mut self, key: Key, at: Timestamp) {
        let Some(watch) = self.watch(key) else { return };
        watch.contradicted = watch.contradicted.max(Some(at));
        watch.agreed = watch.agreed.filter(|agreed| *agreed > at);
    }

    /// Notes an attempt that proves the change enforced.
    pub(super) fn agreed(&mut self, key: Key, at: Timestamp) {
        if let Some(watch) = self.watch(key) {
            watch.agreed(at);
        }
    }

    /// Notes an attempt that proves the change enforced if another one has shown that it was not.
    pub(super) fn agreed_again(&mut self, key: Key, at: Timestamp) {
        if let Some(watch) = self.watched.get_mut(&key).filter(|watch| watch.contradicted.is_some()) {
            watch.agreed(at);
        }
    }

    /// Returns the measurements that are complete, and forgets changes that nobody can contradict or prove any more.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Sample> {
        let confirmed = |(key, watch): (&Key, &mut Watch)| watch.confirmed(key.at, now);
        let samples = self.watched.iter_mut().filter_map(confirmed).collect();
        // A change in the future shows that the clock was set back.
        self.watched.retain(|key, _| now.duration_since(key.at).abs() <= HORIZON + CONFIRM);
        samples
    }

    fn watch(&mut self, key: Key) -> Option<&mut Watch> {
        if !self.watched.contains_key(&key) {
            if self.gave_way.is_some_and(|gave_way| key <= gave_way) {
                return None;
            }
            if self.watched.len() >= self.max {
                let oldest = self.watched.first_key_value().map(|(oldest, _)| *oldest);
                if oldest.is_some_and(|oldest| key < oldest) {
                    return None;
                }
                self.gave_way = self.watched.pop_first().map(|(oldest, _)| oldest).max(self.gave_way);
            }
        }
        Some(self.watched.entry(key).or_default())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.watched.len()
    }
}

impl Watch {
    fn agreed(&mut self, at: Timestamp) {
        let is_after = self.contradicted.is_none_or(|contradicted| at > contradicted);
        if is_after && self.agreed.is_none_or(|agreed| at < agreed) {
            self.agreed = Some(at);
        }
    }

    /// Returns the measurement once, when it is complete.
    fn confirmed(&mut self, change: Timestamp, now: Timestamp) -> Option<Sample> {
        let agreed = self.agreed?;
        if self.is_measured || now.duration_since(agreed) < CONFIRM {
            return None;
        }
        self.is_measured = true;
        let at_most = agreed.duration_since(change);
        match self.contradicted {
            Some(contradicted) => Some(Sample { lag: contradicted.duration_since(change), at_most }),
            None => (at_most <= QUICK).then_some(Sample { lag: at_most, at_most }),
        }
    }
}
