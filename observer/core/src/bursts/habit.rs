//! The usual number of resets: mean and variance of the resets in a window, learnt from window after window.
//!
//! A window holds more than usual if it holds at least `floor + mean + 4 standard deviations`. So:
//! - where there never was a reset, the floor decides;
//! - an even habit of 20 in a window (deviation at least its square root, as of independent events) raises nothing
//!   below 42: twice as many are a burst, and fluctuations are not;
//! - a habit of spikes is wide: 20 at once every minute raise nothing up to 38. Spikes more than about three minutes
//!   apart are a burst each time.

use jiff::{SignedDuration, Timestamp};

/// The windows over which it learns and forgets: ten minutes of windows of ten seconds.
const MEMORY: u32 = 60;
/// The silence assumed before the first window. Without it one spike at the start would make everything usual.
const PRIOR: u32 = 12;
/// After this much silence nothing is left to forget.
const LONG_SILENCE: u32 = 20 * MEMORY;

#[derive(Clone, Debug)]
pub(super) struct Habit {
    mean: f64,
    variance: f64,
    /// Windows known, with or without a reset.
    windows: u32,
    /// The current window: its start, and what it holds.
    since: Timestamp,
    count: u32,
}

impl Habit {
    /// Nothing was seen since `silent_since`.
    pub(super) fn new(silent_since: Timestamp, now: Timestamp, window: SignedDuration) -> Self {
        let windows = windows_between(silent_since, now, window).min(MEMORY);
        Self { mean: 0.0, variance: 0.0, windows, since: now, count: 0 }
    }

    pub(super) fn add(&mut self, at: Timestamp, window: SignedDuration) {
        self.catch_up(at, window);
        self.count = self.count.saturating_add(1);
    }

    /// Closes the windows that have passed.
    pub(super) fn catch_up(&mut self, now: Timestamp, window: SignedDuration) {
        let passed = windows_between(self.since, now, window);
        if passed == 0 {
            return;
        }
        let count = std::mem::take(&mut self.count);
        self.learn(f64::from(count));
        for _ in 1..passed.min(LONG_SILENCE) {
            self.learn(0.0);
        }
        let whole = window.saturating_mul(i32::try_from(passed).unwrap_or(i32::MAX));
        self.since =
            if passed > LONG_SILENCE { now } else { self.since.saturating_add(whole).unwrap_or(now) };
    }

    /// Continues as if no time had passed since the last window.
    pub(super) fn restart(&mut self, now: Timestamp) {
        (self.since, self.count) = (now, 0);
    }

    /// Returns how many resets in a window are more than usual.
    pub(super) fn limit(&self, floor: u32) -> u64 {
        let deviation = self.variance.max(self.mean).sqrt();
        // Saturates; what the mean has left after long silence rounds away.
        (f64::from(floor) + self.mean + 4.0 * deviation) as u64
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// Returns how long it has been watched, up to a bound.
    pub(super) fn windows(&self) -> u32 {
        self.windows
    }

    fn learn(&mut self, count: f64) {
        self.windows = self.windows.saturating_add(1).min(MEMORY);
        let weight = 1.0 / f64::from((self.windows + PRIOR).min(MEMORY));
        let difference = count - self.mean;
        self.mean += weight * difference;
        self.variance = (1.0 - weight) * (self.variance + weight * difference * difference);
    }
}

/// Returns how many whole windows passed; none where the clock ran backwards.
fn windows_between(from: Timestamp, to: Timestamp, window: SignedDuration) -> u32 {
    let passed = to.duration_since(from).as_millis() / window.as_millis().max(1);
    u32::try_from(passed.max(0)).unwrap_or(u32::MAX)
}
