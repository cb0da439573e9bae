//! The number of resets that there are, and the number that is usual.

use flow_model::flow::Phase;
use jiff::{SignedDuration, Timestamp};

use crate::bursts::config::BurstConfig;
use crate::bursts::habit::Habit;
use crate::bursts::window::{Counts, Window};

#[derive(Clone, Debug)]
pub(super) struct Rate {
    window: Window,
    habit: Habit,
    /// During a burst the habit does not change. Whether the burst belongs to the habit is decided at its end.
    learning: Option<Habit>,
    length: SignedDuration,
    floor: u32,
}

impl Rate {
    /// Nothing was seen since `silent_since`.
    pub(super) fn new(config: &BurstConfig, silent_since: Timestamp, now: Timestamp) -> Self {
        Self {
            window: Window::new(config.window_seconds()),
            habit: Habit::new(silent_since, now, config.length()),
            learning: None,
            length: config.length(),
            floor: config.floor(),
        }
    }

    pub(super) fn add(&mut self, at: Timestamp, phase: Phase) {
        self.window.add(at, phase);
        self.learning.as_mut().unwrap_or(&mut self.habit).add(at, self.length);
    }

    pub(super) fn counts(&self, now: Timestamp) -> Counts {
        self.window.counts(now)
    }

    /// Is true where there are more resets than usual.
    pub(super) fn is_over(&mut self, now: Timestamp) -> bool {
        if self.learning.is_none() {
            self.habit.catch_up(now, self.length);
        }
        self.counts(now).total() >= self.habit.limit(self.floor)
    }

    /// Is true where the rate would be usual if the habit had been learnt during the burst.
    pub(super) fn is_learnt(&mut self, now: Timestamp) -> bool {
        let total = self.counts(now).total();
        self.learning.as_mut().is_none_or(|habit| {
            habit.catch_up(now, self.length);
            total < habit.limit(self.floor)
        })
    }

    /// Returns when there began to be more resets than `usual`, by default more than the habit.
    pub(super) fn surge(&self, now: Timestamp, usual: Option<f64>) -> Option<Timestamp> {
        self.window.surge(now, usual.unwrap_or_else(|| self.habit.mean()))
    }

    /// Returns how long it has been watched, up to a bound.
    pub(super) fn age(&self) -> SignedDuration {
        self.length.saturating_mul(i32::try_from(self.habit.windows()).unwrap_or(i32::MAX))
    }

    /// Stops learning: a burst begins.
    pub(super) fn freeze(&mut self) {
        if self.learning.is_none() {
            self.learning = Some(self.habit.clone());
        }
    }

    /// Learns again: the burst is over. `learn` is true where the burst belongs to the habit.
    pub(super) fn thaw(&mut self, learn: bool, now: Timestamp) {
        match self.learning.take() {
            Some(learnt) if learn => self.habit = learnt,
            Some(_) => self.habit.restart(now),
            None => {}
        }
    }

    /// Forgets all times: the clock was set.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.window.clear();
        self.habit.restart(now);
        if let Some(learning) = &mut self.learning {
            learning.restart(now);
        }
    }

    #[cfg(test)]
    pub(super) fn buckets(&self) -> usize {
        self.window.len()
    }
}
