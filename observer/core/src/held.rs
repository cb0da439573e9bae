//! What is known of SYNs and waits a moment for what follows them.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::enforcer_log::SynKey;

/// The longest time that something waits. Refusal, drop and log follow each other within microseconds; each may be lost, and
/// the log is rate-limited.
const PATIENCE: SignedDuration = SignedDuration::from_millis(100);

/// Holds at most `limit` things, each by its SYN.
pub(super) struct Held<T> {
    waiting: HashMap<SynKey, T>,
    order: VecDeque<(Timestamp, SynKey)>,
    limit: usize,
}

impl<T> Held<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new(), limit }
    }

    /// Holds something. Returns the oldest when there are too many, or what was held of the same SYN.
    pub(super) fn hold(&mut self, key: SynKey, held: T, now: Timestamp) -> Option<T> {
        self.order.push_back((now, key));
        let same = self.waiting.insert(key, held);
        if same.is_some() || self.order.len() <= self.limit {
            return same;
        }
        let (_, oldest) = self.order.pop_front()?;
        self.waiting.remove(&oldest)
    }

    /// Returns how many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn get_mut(&mut self, key: SynKey) -> Option<&mut T> {
        self.waiting.get_mut(&key)
    }

    pub(super) fn release(&mut self, key: SynKey) -> Option<T> {
        self.waiting.remove(&key)
    }

    /// Releases all for which the condition is true, oldest first.
    pub(super) fn release_if(&mut self, condition: impl Fn(&T) -> bool) -> Vec<T> {
        let keys: Vec<SynKey> = self.order.iter().map(|(_, key)| *key).collect();
        let fits = |key: &SynKey| self.waiting.get(key).is_some_and(&condition);
        let fitting: Vec<SynKey> = keys.into_iter().filter(fits).collect();
        fitting.into_iter().filter_map(|key| self.release(key)).collect()
    }

    /// Releases what waited long enough.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<T> {
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

    /// Releases all, oldest first.
    pub(super) fn drain(&mut self) -> Vec<T> {
        let order = std::mem::take(&mut self.order);
        order.into_iter().filter_map(|(_, key)| self.waiting.remove(&key)).collect()
    }
}
