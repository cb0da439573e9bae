//! Rejected attempts that wait for the drop of their SYN, and for the enforcer's log where it is read.
//!
//! A REJECT rule sends its ICMP error first and frees the SYN afterwards, and only the freed SYN carries the backend that
//! the policy protects. The enforcer logs the SYN before both, but the log comes by another way than the packets.

use std::collections::{HashMap, VecDeque};

use flow_model::input::{AttemptSeen, DropSeen};
use jiff::{SignedDuration, Timestamp};

use crate::enforcer_log::SynKey;

/// The longest time that an attempt waits. Drop and log follow within microseconds; either may be lost, and the log is
/// rate-limited.
const PATIENCE: SignedDuration = SignedDuration::from_millis(100);
/// Most attempts that wait: many rejects must not take much memory. Past this the oldest is released as it is.
const LIMIT: usize = 8_192;

/// Holds rejected attempts until what follows them arrives.
#[derive(Default)]
pub(super) struct AwaitingDrop {
    waiting: HashMap<SynKey, AttemptSeen>,
    order: VecDeque<(Timestamp, SynKey)>,
}

impl AwaitingDrop {
    /// Holds an attempt. Returns the oldest when there are too many.
    pub(super) fn hold(&mut self, seen: AttemptSeen, now: Timestamp) -> Option<AttemptSeen> {
        let key = SynKey::of(&seen);
        self.order.push_back((now, key));
        let same = self.waiting.insert(key, seen);
        if same.is_some() || self.order.len() <= LIMIT {
            return same;
        }
        let (_, oldest) = self.order.pop_front()?;
        self.waiting.remove(&oldest)
    }

    /// Completes the attempt whose SYN was dropped by the drop's backend and reason, and returns it. It stays here.
    pub(super) fn complete(&mut self, drop: &DropSeen) -> Option<&AttemptSeen> {
        let key = SynKey { src: drop.tuple.src, sport: drop.tuple.sport, isn: drop.seq };
        let seen = self.waiting.get_mut(&key)?;
        let arrived = (drop.tuple.dst, drop.tuple.dport);
        if arrived != (seen.tuple.dst, seen.tuple.dport) {
            seen.tuple.backend = Some(arrived);
        }
        seen.drop_reason = Some(drop.reason.clone());
        Some(seen)
    }

    /// Releases an attempt.
    pub(super) fn release(&mut self, key: SynKey) -> Option<AttemptSeen> {
        self.waiting.remove(&key)
    }

    /// Releases an attempt if its drop has completed it.
    pub(super) fn release_completed(&mut self, key: SynKey) -> Option<AttemptSeen> {
        self.waiting.get(&key)?.drop_reason.as_ref()?;
        self.release(key)
    }

    /// Releases all attempts that their drops have completed, oldest first.
    pub(super) fn all_completed(&mut self) -> Vec<AttemptSeen> {
        let keys: Vec<SynKey> = self.order.iter().map(|(_, key)| *key).collect();
        keys.into_iter().filter_map(|key| self.release_completed(key)).collect()
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
