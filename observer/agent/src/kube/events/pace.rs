//! Limits how fast Events may be written. Time is a parameter.

use std::time::{Duration, Instant};

/// Defines how fast Events may be written, in total and about one object: a burst, then one each interval.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// This limits all Events of this agent.
    pub all: (u32, Duration),
    /// This limits the Events about one object.
    pub object: (u32, Duration),
    /// This is the time between an Event's first two writes. It doubles with each, up to [`Limits::longest`].
    pub shortest: Duration,
    /// The longest time between two writes while the finding changes.
    pub longest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            all: (25, Duration::from_secs(5)),
            // The burst is client-go's (`maxBurst` of `NewEventCorrelator`): Events of ten findings, one that combines the
            // rest, and all their ends.
            object: (25, Duration::from_secs(60)),
            shortest: Duration::from_secs(10),
            longest: Duration::from_secs(300),
        }
    }
}

/// A token bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    burst: u32,
    interval: Duration,
    left: u32,
    /// Tokens up to this time have been added.
    since: Instant,
}

impl Bucket {
    pub(super) fn new((burst, interval): (u32, Duration), now: Instant) -> Self {
        let (burst, interval) = (burst.max(1), interval.max(Duration::from_millis(1)));
        Self { burst, interval, left: burst, since: now }
    }

    /// Returns when a token can be taken of which this many others are left: now, or later.
    pub(super) fn ready_at(&self, now: Instant, others: u32) -> Instant {
        let missing = (others.min(self.burst - 1) + 1).saturating_sub(self.left);
        now.max(self.since + self.interval * missing)
    }

    /// Returns the part of the burst that is kept for what has not been reported yet.
    pub(super) const fn reserve(&self) -> u32 {
        self.burst / 2
    }

    /// Takes a token. Returns false if there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since).as_millis() / self.interval.as_millis();
        let more = u32::try_from(passed).unwrap_or(u32::MAX);
        if self.left.saturating_add(more) >= self.burst {
            (self.left, self.since) = (self.burst, self.since.max(now));
        } else {
            self.left += more;
            self.since += self.interval * more;
        }
    }
}

#[cfg(test)]
mod tests;
