//! Attempts that wait for the name of their client, and counters of pairs that wait for those of both sides.
//!
//! A pod's first packets leave before the API server knows its address: the kubelet reports it once the containers run.
//! These attempts are the ones that fail when a policy doesn't admit the pod.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::input::{AttemptSeen, PairDelta};
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use crate::growing;

/// The longest time that something waits. The kubelet reports a pod's state within about a second.
const PATIENCE: SignedDuration = SignedDuration::from_secs(3);
/// Most attempts, and most counts of pairs, that wait. Past this the oldest is released without a name.
pub(crate) const LIMIT: usize = 4_096;
/// Most addresses remembered as staying without a name. Nothing waits for them again.
const GIVEN_UP: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// Holds attempts from addresses of pod networks that no known pod has, and counters with such addresses.
pub(super) struct AwaitingName {
    attempts: Waiting<AttemptSeen>,
    pairs: Waiting<PairDelta>,
    given_up: LruCache<IpAddr, ()>,
}

impl Default for AwaitingName {
    fn default() -> Self {
        Self { attempts: Waiting::default(), pairs: Waiting::default(), given_up: growing::cache(GIVEN_UP) }
    }
}

impl AwaitingName {
    /// Is true when something waited for the name of the address in vain already.
    pub(super) fn gave_up(&mut self, ip: IpAddr) -> bool {
        self.given_up.get(&ip).is_some()
    }

    /// Returns how many attempts wait.
    pub(super) fn len(&self) -> usize {
        self.attempts.0.len()
    }

    /// Holds an attempt. Returns the oldest when there are too many.
    pub(super) fn hold(&mut self, seen: AttemptSeen, now: Timestamp) -> Option<AttemptSeen> {
        self.attempts.hold(seen, now).map(|(_, seen)| seen)
    }

    /// Holds counters of a pair. Returns the oldest when there are too many, with the time since when they waited.
    pub(super) fn hold_pair(&mut self, delta: PairDelta, now: Timestamp) -> Option<(Timestamp, PairDelta)> {
        self.pairs.hold(delta, now)
    }

    /// Releases the attempts whose address has a name now, in the order of their arrival.
    pub(super) fn named(&mut self, mut is_named: impl FnMut(IpAddr, Timestamp) -> bool) -> Vec<AttemptSeen> {
        without_times(self.attempts.release_if(|_, seen| is_named(seen.tuple.src, seen.time)))
    }

    /// Releases the counters whose addresses both have names now, with the time since when they waited.
    pub(super) fn named_pairs(
        &mut self,
        mut is_named: impl FnMut(IpAddr, Timestamp) -> bool,
    ) -> Vec<(Timestamp, PairDelta)> {
        let both =
            |at, delta: &PairDelta| delta.pair.is_none_or(|p| is_named(p.src, at) && is_named(p.dst, at));
        self.pairs.release_if(both)
    }

    /// Releases the attempts that waited long enough.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<AttemptSeen> {
        let due = without_times(self.attempts.due(now));
        for seen in &due {
            self.given_up.put(seen.tuple.src, ());
        }
        due
    }

    /// Releases the counters that waited long enough. Those addresses are given up that `is_named` has no name for.
    pub(super) fn due_pairs(
        &mut self,
        now: Timestamp,
        is_named: impl Fn(IpAddr, Timestamp) -> bool,
    ) -> Vec<(Timestamp, PairDelta)> {
        let due = self.pairs.due(now);
        for (at, pair) in due.iter().filter_map(|(at, delta)| Some((*at, delta.pair?))) {
            for ip in [pair.src, pair.dst].into_iter().filter(|ip| !is_named(*ip, at)) {
                self.given_up.put(ip, ());
            }
        }
        due
    }

    /// Returns the counters that wait.
    pub(super) fn pairs(&self) -> impl Iterator<Item = &PairDelta> {
        self.pairs.0.iter().map(|(_, delta)| delta)
    }

    /// Releases all attempts.
    pub(super) fn drain(&mut self) -> Vec<AttemptSeen> {
        without_times(self.attempts.drain())
    }

    /// Releases all counters.
    pub(super) fn drain_pairs(&mut self) -> Vec<(Timestamp, PairDelta)> {
        self.pairs.drain()
    }
}

fn without_times(attempts: Vec<(Timestamp, AttemptSeen)>) -> Vec<AttemptSeen> {
    attempts.into_iter().map(|(_, seen)| seen).collect()
}

/// What waits, with the time since when, oldest first.
struct Waiting<T>(VecDeque<(Timestamp, T)>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Waiting<T> {
    /// Returns the oldest when there are too many.
    fn hold(&mut self, item: T, now: Timestamp) -> Option<(Timestamp, T)> {
        self.0.push_back((now, item));
        let crowded = self.0.len() > LIMIT;
        if crowded { self.0.pop_front() } else { None }
    }

    fn release_if(&mut self, mut condition: impl FnMut(Timestamp, &T) -> bool) -> Vec<(Timestamp, T)> {
        let (released, waiting) =
            self.0.drain(..).partition::<VecDeque<_>, _>(|(since, item)| condition(*since, item));
        self.0 = waiting;
        released.into()
    }

    fn due(&mut self, now: Timestamp) -> Vec<(Timestamp, T)> {
        // When the clock was set back, nothing must wait for ever.
        let waits =
            |since: &Timestamp| (SignedDuration::ZERO..PATIENCE).contains(&now.duration_since(*since));
        std::iter::from_fn(|| self.0.pop_front_if(|(since, _)| !waits(since))).collect()
    }

    fn drain(&mut self) -> Vec<(Timestamp, T)> {
        self.0.drain(..).collect()
    }
}
