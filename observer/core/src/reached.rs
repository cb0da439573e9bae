//! The newest connection of each client to each server that came about, beside attempts without an answer.
//!
//! An attempt without an answer becomes known seconds after its last SYN. By then the client may have tried again and
//! succeeded, and nothing is wrong any more.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::flow::Outcome;
use flow_model::input::AttemptSeen;
use jiff::Timestamp;
use lru::LruCache;

use crate::growing;

/// Most pairs remembered. Past this the one that connected longest ago is forgotten.
const MAX: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// Remembers when clients reached servers, by the addresses that they used.
#[derive(Debug)]
pub(super) struct Reached(LruCache<(IpAddr, IpAddr, u16), Timestamp>);

impl Default for Reached {
    fn default() -> Self {
        Self(growing::cache(MAX))
    }
}

impl Reached {
    /// Takes an attempt. Is true for one without an answer whose client reached the same server after its last SYN.
    pub(super) fn since_last_syn(&mut self, seen: &AttemptSeen) -> bool {
        let pair = (seen.tuple.src, seen.tuple.dst, seen.tuple.dport);
        match seen.outcome {
            Outcome::Established => {
                self.0.put(pair, seen.time);
                false
            }
            Outcome::Unanswered => self.0.peek(&pair).is_some_and(|reached| *reached > seen.last_syn()),
            Outcome::Refused | Outcome::Rejected => false,
        }
    }
}
