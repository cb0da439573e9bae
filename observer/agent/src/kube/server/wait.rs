//! Waits before a request is repeated: longer each time, and different for each agent.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use crate::kube::server::failure::Failure;

/// The first wait, without its random part.
const FIRST: Duration = Duration::from_millis(300);

/// The waits of one kind.
#[derive(Debug)]
pub(super) struct Wait {
    longest: Duration,
    backoff: ExponentialBackoff,
}

impl Wait {
    /// Begins with short waits.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, backoff: backoff(longest) }
    }

    /// Begins with short waits again, after a success.
    pub(super) fn reset(&mut self) {
        self.backoff = backoff(self.longest);
    }

    /// Returns how long to wait after a failure.
    pub(super) fn after(&mut self, failure: &Failure) -> Duration {
        match failure {
            Failure::Busy { wait, .. } => *wait + spread(*wait),
            // These need human action, so frequent requests don't help.
            Failure::Absent | Failure::Forbidden(_) => self.longest / 2 + spread(self.longest / 2),
            _ => self.backoff.next().unwrap_or(self.longest).min(self.longest),
        }
    }
}

fn backoff(longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST.min(longest))
        .with_max_delay(longest)
        .without_max_times()
        .with_jitter()
        .build()
}

/// Returns a random part of a duration.
pub(super) fn spread(most: Duration) -> Duration {
    most.mul_f32(fastrand::f32())
}

#[cfg(test)]
mod tests;
