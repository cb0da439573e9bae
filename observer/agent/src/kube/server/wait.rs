//! How long to wait before asking again: longer each time, and never all agents at once.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use crate::kube::server::failure::Failure;

const FIRST: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct Wait {
    longest: Duration,
    backoff: ExponentialBackoff,
}

impl Wait {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, backoff: backoff(longest) }
    }

    /// It went well: the next failure starts anew.
    pub(super) fn reset(&mut self) {
        self.backoff = backoff(self.longest);
    }

    pub(super) fn after(&mut self, failure: &Failure) -> Duration {
        match failure {
            Failure::Busy { wait, .. } => *wait + spread(*wait),
            // Only somebody's deed changes these; asking often helps nobody.
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

/// A random part of it.
pub(super) fn spread(most: Duration) -> Duration {
    most.mul_f32(fastrand::f32())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest_and_start_anew() {
        let longest = Duration::from_secs(5);
        let (mut wait, failure) = (Wait::new(longest), Failure::Other(String::new()));
        let first = wait.after(&failure);
        let waits: Vec<_> = (0..20).map(|_| wait.after(&failure)).collect();
        assert!(first < Duration::from_secs(1), "{first:?}");
        assert!(waits.iter().all(|wait| *wait <= longest), "{waits:?}");
        assert_eq!(waits[19], longest);
        wait.reset();
        assert!(wait.after(&failure) < Duration::from_secs(1));
    }

    #[test]
    fn a_server_that_says_when_is_obeyed() {
        let mut wait = Wait::new(Duration::from_secs(1));
        let busy = Failure::Busy { text: String::new(), wait: Duration::from_secs(7) };
        assert!(wait.after(&busy) >= Duration::from_secs(7));
    }
}
