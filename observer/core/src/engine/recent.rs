//! The decisions on recent attempts.
//!
//! Counters arrive up to half a second after the attempts that they count. When policies change in between, the
//! attempts were judged by the old ones, and so must be their counts.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::decision::Decision;
use flow_model::flow::{FlowTuple, Pair};
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use crate::growing;

/// The time for which a decision counts. It is longer than counters wait in the kernel.
const VALID: SignedDuration = SignedDuration::from_secs(1);
/// Most pairs remembered.
const MAX: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// Remembers the newest decision on each pair of addresses and port.
#[derive(Debug)]
pub(super) struct RecentDecisions(LruCache<(IpAddr, IpAddr, u16), (Decision, Timestamp)>);

impl Default for RecentDecisions {
    fn default() -> Self {
        Self(growing::cache(MAX))
    }
}

impl RecentDecisions {
    /// Remembers the decision on an attempt.
    pub(super) fn remember(&mut self, tuple: &FlowTuple, decision: Decision, at: Timestamp) {
        self.0.put((tuple.src, tuple.dst, tuple.dport), (decision, at));
    }

    /// Returns the decision on the pair's attempts, if there was one just now.
    pub(super) fn decision(&self, pair: &Pair, now: Timestamp) -> Option<Decision> {
        let (decision, at) = self.0.peek(&(pair.src, pair.dst, pair.dport))?;
        (now.duration_since(*at).abs() <= VALID).then_some(*decision)
    }
}
