//! Rejected attempts wait a moment. A REJECT rule sends its ICMP error first and frees the SYN after, and only
//! the freed SYN carries the backend that the policy protects.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use flow_model::input::{AttemptSeen, DropSeen};
use jiff::{SignedDuration, Timestamp};

/// How long a record may wait for its drop. The drop follows within microseconds; the ring may lose it.
const PATIENCE: SignedDuration = SignedDuration::from_millis(100);
/// A storm of rejects must not cost memory: past this the oldest goes out as it is.
const LIMIT: usize = 8_192;

type Key = (IpAddr, u16, u32);

#[derive(Default)]
pub(super) struct Held {
    waiting: HashMap<Key, AttemptSeen>,
    order: VecDeque<(Timestamp, Key)>,
}

impl Held {
    /// Takes an attempt in; gives the oldest back when there are too many.
    pub(super) fn hold(&mut self, seen: AttemptSeen, now: Timestamp) -> Option<AttemptSeen> {
        let key = (seen.tuple.src, seen.tuple.sport, seen.isn);
        self.order.push_back((now, key));
        let same = self.waiting.insert(key, seen);
        if same.is_some() || self.order.len() <= LIMIT {
            return same;
        }
        let (_, oldest) = self.order.pop_front()?;
        self.waiting.remove(&oldest)
    }

    /// The attempt whose SYN was dropped, completed by what the drop tells.
    pub(super) fn release(&mut self, drop: &DropSeen) -> Option<AttemptSeen> {
        let mut seen = self.waiting.remove(&(drop.tuple.src, drop.tuple.sport, drop.seq))?;
        let arrived = (drop.tuple.dst, drop.tuple.dport);
        if arrived != (seen.tuple.dst, seen.tuple.dport) {
            seen.tuple.backend = Some(arrived);
        }
        seen.drop_reason = Some(drop.reason.clone());
        Some(seen)
    }

    /// Those that waited long enough.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<AttemptSeen> {
        let mut due = Vec::new();
        while let Some(&(since, key)) = self.order.front() {
            // A clock that was set back must not hold records for ever.
            if (now >= since && now.duration_since(since) < PATIENCE) && self.waiting.contains_key(&key) {
                break;
            }
            self.order.pop_front();
            due.extend(self.waiting.remove(&key));
        }
        due
    }

    /// All of them.
    pub(super) fn drain(&mut self) -> Vec<AttemptSeen> {
        let order = std::mem::take(&mut self.order);
        order.into_iter().filter_map(|(_, key)| self.waiting.remove(&key)).collect()
    }
}
