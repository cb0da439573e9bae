//! The newest connection of each client to each server that came about, beside attempts without an answer.
//!
//! An attempt without an answer becomes known seconds after its last SYN. By then the client may have tried again and
//! succeeded, and nothing is wrong any more.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::input::AttemptSeen;
use jiff::Timestamp;
use lru::LruCache;

/// Most pairs remembered. Past this the one that connected longest ago is forgotten.
const MAX: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// Remembers when clients reached servers, by the addresses that they used.
#[derive(Debug)]
pub(super) struct Reached(LruCache<(IpAddr, IpAddr, u16), Timestamp>);

impl Default for Reached {
    fn default() -> Self {
        // The cache grows as needed, because many nodes connect few pairs.
        let mut reached = LruCache::unbounded();
        reached.resize(MAX);
        Self(reached)
    }
}

impl Reached {
    /// Takes a connection.
    pub(super) fn add(&mut self, seen: &AttemptSeen) {
        self.0.put(pair(seen), seen.time);
    }

    /// Is true where the client of this attempt reached the same server after the attempt's last SYN.
    pub(super) fn since_last_syn(&self, seen: &AttemptSeen) -> bool {
        self.0.peek(&pair(seen)).is_some_and(|reached| *reached > seen.last_syn())
    }
}

fn pair(seen: &AttemptSeen) -> (IpAddr, IpAddr, u16) {
    (seen.tuple.src, seen.tuple.dst, seen.tuple.dport)
}
