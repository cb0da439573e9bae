//! What was said of attempts just now.
//!
//! Counters arrive up to half a second after the attempts that they count. When policies change in between, the attempts
//! were judged by the old ones, and so must be their counts.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::decision::Decision;
use flow_model::flow::Pair;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

/// Longer than counters wait in the kernel.
const FOR: SignedDuration = SignedDuration::from_secs(1);
const MAX: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

#[derive(Debug)]
pub(super) struct Recent(LruCache<(IpAddr, IpAddr, u16), (Decision, Timestamp)>);

impl Default for Recent {
    fn default() -> Self {
        // Not with its full capacity at once: most nodes have few pairs.
        let mut cache = LruCache::unbounded();
        cache.resize(MAX);
        Self(cache)
    }
}

impl Recent {
    pub(super) fn note(&mut self, (src, dst, dport): (IpAddr, IpAddr, u16), said: Decision, at: Timestamp) {
        self.0.put((src, dst, dport), (said, at));
    }

    pub(super) fn said(&self, pair: &Pair, now: Timestamp) -> Option<Decision> {
        let (said, at) = self.0.peek(&(pair.src, pair.dst, pair.dport))?;
        (now.duration_since(*at).abs() <= FOR).then_some(*said)
    }
}
