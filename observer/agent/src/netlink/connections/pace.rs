//! How often to look: soon, but cheaply.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

const SOONEST: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_secs(60);
/// 1 % of a core.
const SHARE: u32 = 100;
/// Asked for again and again: 10 % of a core.
const SHARE_AT_ONCE: u32 = 10;

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    every: Duration,
    /// Not sooner, even when asked to.
    at_least: Duration,
}

impl Pace {
    /// After a look that took this much CPU time.
    pub(super) fn after(cpu: Duration) -> Self {
        let every = cpu.saturating_mul(SHARE).clamp(SOONEST, LATEST);
        Self { every, at_least: cpu.saturating_mul(SHARE_AT_ONCE).min(every) }
    }

    pub(super) async fn wait(self, at_once: &Notify) {
        let now = Instant::now();
        tokio::select! {
            () = sleep_until(now + self.every) => {}
            () = at_once.notified() => sleep_until(now + self.at_least).await,
        }
    }
}

/// CPU time of the calling thread, in the kernel too: a dump is made by the one who receives it.
pub(super) fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dear_look_is_taken_seldom() {
        let pace = |ms| Pace::after(Duration::from_millis(ms));
        let of = |every, at_least| Pace {
            every: Duration::from_millis(every),
            at_least: Duration::from_millis(at_least),
        };
        assert_eq!(pace(0), of(2_000, 0));
        assert_eq!(pace(5), of(2_000, 50));
        assert_eq!(pace(100), of(10_000, 1_000));
        assert_eq!(pace(2_000), of(60_000, 20_000));
        assert_eq!(pace(60_000), of(60_000, 60_000));
    }
}
