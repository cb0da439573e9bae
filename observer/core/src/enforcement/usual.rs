//! The usual lag of enforcement, learnt from measurements.

use std::collections::VecDeque;

use jiff::SignedDuration;

/// Measurements that are remembered: enough for the slow one among many, and few enough to forget an old incident.
const REMEMBERED: usize = 64;
/// Before there are so many measurements, nothing is usual.
const ENOUGH: usize = 8;
/// The usual lag is this many times the longest one remembered. Enforcers rebuild all their rules in rounds, and a round
/// takes longer the more there is to do: what was seen so far is no upper bound.
const MARGIN: i32 = 3;
/// The usual lag is never less. The agent and the enforcer watch the API over connections of their own, and either may be
/// seconds behind the other without anything being wrong.
const FLOOR: SignedDuration = SignedDuration::from_secs(5);

/// The newest measurements.
#[derive(Debug, Default)]
pub(super) struct Usual(VecDeque<SignedDuration>);

impl Usual {
    /// Adds the longest time that a change may have taken.
    pub(super) fn add(&mut self, lag: SignedDuration) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(lag);
    }

    /// Returns the usual lag, which is `ceiling` while there are too few measurements, and never more.
    pub(super) fn lag(&self, ceiling: SignedDuration) -> SignedDuration {
        match self.0.iter().max() {
            Some(longest) if self.0.len() >= ENOUGH => {
                longest.checked_mul(MARGIN).unwrap_or(ceiling).max(FLOOR).min(ceiling)
            }
            _ => ceiling,
        }
    }
}
