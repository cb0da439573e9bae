//! Attempts from addresses that no pod is known to have wait for the name.
//!
//! A pod's first packets leave before the API server tells its address: the kubelet reports it once the containers run.
//! They are the ones that fail when a policy doesn't admit the pod.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::input::AttemptSeen;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

/// The kubelet reports a pod's state within about a second.
const PATIENCE: SignedDuration = SignedDuration::from_secs(3);
/// Past this the oldest goes out without a name.
const LIMIT: usize = 4_096;
/// Addresses that stayed without a name; they are not waited for again.
const GIVEN_UP: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

pub(super) struct Strangers {
    waiting: VecDeque<(Timestamp, AttemptSeen)>,
    given_up: LruCache<IpAddr, ()>,
}

impl Default for Strangers {
    fn default() -> Self {
        let mut given_up = LruCache::unbounded();
        given_up.resize(GIVEN_UP);
        Self { waiting: VecDeque::new(), given_up }
    }
}

impl Strangers {
    /// Takes an attempt in; gives one back that is not to wait, or not any longer.
    pub(super) fn hold(&mut self, seen: AttemptSeen, now: Timestamp) -> Option<AttemptSeen> {
        if self.given_up.get(&seen.tuple.src).is_some() {
            return Some(seen);
        }
        self.waiting.push_back((now, seen));
        let crowded = self.waiting.len() > LIMIT;
        crowded.then(|| self.waiting.pop_front()).flatten().map(|(_, seen)| seen)
    }

    /// Those whose address has a name now, in the order of their arrival.
    pub(super) fn named(&mut self, mut is_named: impl FnMut(&AttemptSeen) -> bool) -> Vec<AttemptSeen> {
        let (named, waiting) = self.waiting.drain(..).partition(|(_, seen)| is_named(seen));
        self.waiting = waiting;
        let named: VecDeque<(Timestamp, AttemptSeen)> = named;
        named.into_iter().map(|(_, seen)| seen).collect()
    }

    /// Those that waited long enough.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<AttemptSeen> {
        let mut due = Vec::new();
        // A clock that was set back must not hold records for ever.
        let waits =
            |since: &Timestamp| (SignedDuration::ZERO..PATIENCE).contains(&now.duration_since(*since));
        while let Some((_, seen)) = self.waiting.pop_front_if(|(since, _)| !waits(since)) {
            self.given_up.put(seen.tuple.src, ());
            due.push(seen);
        }
        due
    }

    /// All of them.
    pub(super) fn drain(&mut self) -> Vec<AttemptSeen> {
        self.waiting.drain(..).map(|(_, seen)| seen).collect()
    }
}
