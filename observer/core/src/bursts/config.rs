//! The settings that define when resets are a burst.

use jiff::SignedDuration;

/// Defines when resets are a burst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BurstConfig {
    /// With fewer resets than this in a window nothing is raised.
    pub floor: u32,
    /// The sliding window, in whole seconds from 1 to 300.
    pub window: SignedDuration,
    /// The time that it takes to know that a server has no habit yet.
    pub warm_up: SignedDuration,
    /// A burst is over when there was nothing unusual for this long.
    pub quiet: SignedDuration,
    /// A burst that goes on for this long without a known cause is a habit.
    pub habit_after: SignedDuration,
    /// Servers watched, and as many pairs of server and client. The least recently reset give way.
    pub max_keys: usize,
}

impl Default for BurstConfig {
    fn default() -> Self {
        Self {
            floor: 5,
            window: SignedDuration::from_secs(10),
            warm_up: SignedDuration::from_mins(1),
            quiet: SignedDuration::from_secs(30),
            habit_after: SignedDuration::from_mins(10),
            max_keys: 4_096,
        }
    }
}

impl BurstConfig {
    pub(super) fn window_seconds(&self) -> i64 {
        self.window.as_secs().clamp(1, 300)
    }

    pub(super) fn length(&self) -> SignedDuration {
        SignedDuration::from_secs(self.window_seconds())
    }

    pub(super) fn floor(&self) -> u32 {
        self.floor.max(1)
    }
}
