//! Attempts that wait for the name of their client.
//!
//! A pod's first packets leave before the API server knows its address: the kubelet reports it once the containers run.
//! These attempts are the ones that fail when a policy doesn't admit the pod.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::input::AttemptSeen;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use crate::growing;

/// The longest time that an attempt waits. The kubelet reports a pod's state within about a second.
const PATIENCE: SignedDuration = SignedDuration::from_secs(3);
/// Most attempts that wait. Past this the oldest is released without a name.
pub(crate) const LIMIT: usize = 4_096;
/// Most addresses remembered as staying without a name. Attempts from them don't wait again.
const GIVEN_UP: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// Holds attempts from addresses of pod networks that no known pod has.
pub(super) struct AwaitingName {
    waiting: VecDeque<(Timestamp, AttemptSeen)>,
    given_up: LruCache<IpAddr, ()>,
}

impl Default for AwaitingName {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), given_up: growing::cache(GIVEN_UP) }
    }
}

impl AwaitingName {
    /// Is true when attempts from the address waited in vain already.
    pub(super) fn gave_up(&mut self, ip: IpAddr) -> bool {
        self.given_up.get(&ip).is_some()
    }

    /// Returns how many attempts wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Holds an attempt. Returns the oldest when there are too many.
    pub(super) fn hold(&mut self, seen: AttemptSeen, now: Timestamp) -> Option<AttemptSeen> {
        self.waiting.push_back((now, seen));
        let crowded = self.waiting.len() > LIMIT;
        if crowded { self.waiting.pop_front().map(|(_, seen)| seen) } else { None }
    }

    /// Releases the attempts whose address has a name now, in the order of their arrival.
    pub(super) fn named(&mut self, mut is_named: impl FnMut(&AttemptSeen) -> bool) -> Vec<AttemptSeen> {
        let (named, waiting) = self.waiting.drain(..).partition(|(_, seen)| is_named(seen));
        self.waiting = waiting;
        let named: VecDeque<(Timestamp, AttemptSeen)> = named;
        named.into_iter().map(|(_, seen)| seen).collect()
    }

    /// Releases the attempts that waited long enough.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<AttemptSeen> {
        let mut due = Vec::new();
        // When the clock was set back, records must not wait for ever.
        let waits =
            |since: &Timestamp| (SignedDuration::ZERO..PATIENCE).contains(&now.duration_since(*since));
        while let Some((_, seen)) = self.waiting.pop_front_if(|(since, _)| !waits(since)) {
            self.given_up.put(seen.tuple.src, ());
            due.push(seen);
        }
        due
    }

    /// Releases all attempts.
    pub(super) fn drain(&mut self) -> Vec<AttemptSeen> {
        self.waiting.drain(..).map(|(_, seen)| seen).collect()
    }
}
