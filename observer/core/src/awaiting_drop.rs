//! Rejected attempts that wait for the drop of their SYN. A REJECT rule sends its ICMP error first and frees the SYN
//! afterwards, and only the freed SYN carries the backend that the policy protects.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use flow_model::input::{AttemptSeen, DropSeen};
use jiff::{SignedDuration, Timestamp};

/// The longest time that an attempt waits for its drop. The drop follows within microseconds; the ring may lose it.
const PATIENCE: SignedDuration = SignedDuration::from_millis(100);
/// Most attempts that wait: many rejects must not take much memory. Past this the oldest is released as it is.
const LIMIT: usize = 8_192;

type Key = (IpAddr, u16, u32);

/// Holds rejected attempts until their drop arrives.
#[derive(Default)]
pub(super) struct AwaitingDrop {
    waiting: HashMap<Key, AttemptSeen>,
    order: VecDeque<(Timestamp, Key)>,
}

impl AwaitingDrop {
    /// Holds an attempt. Returns the oldest when there are too many.
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

    /// Releases the attempt whose SYN was dropped, completed by the drop's backend and reason.
    pub(super) fn release(&mut self, drop: &DropSeen) -> Option<AttemptSeen> {
        let mut seen = self.waiting.remove(&(drop.tuple.src, drop.tuple.sport, drop.seq))?;
        let arrived = (drop.tuple.dst, drop.tuple.dport);
        if arrived != (seen.tuple.dst, seen.tuple.dport) {
            seen.tuple.backend = Some(arrived);
        }
        seen.drop_reason = Some(drop.reason.clone());
        Some(seen)
    }

    /// Releases the attempts that waited long enough.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<AttemptSeen> {
        let mut due = Vec::new();
        while let Some(&(since, key)) = self.order.front() {
            // When the clock was set back, records must not wait for ever.
            if (now >= since && now.duration_since(since) < PATIENCE) && self.waiting.contains_key(&key) {
                break;
            }
            self.order.pop_front();
            due.extend(self.waiting.remove(&key));
        }
        due
    }

    /// Releases all attempts.
    pub(super) fn drain(&mut self) -> Vec<AttemptSeen> {
        let order = std::mem::take(&mut self.order);
        order.into_iter().filter_map(|(_, key)| self.waiting.remove(&key)).collect()
    }
}
