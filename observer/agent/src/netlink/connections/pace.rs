//! Decides how often the table is read: soon, but cheaply.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

const SOONEST: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_secs(60);
/// 1 % of a core.
const SHARE: u32 = 100;
/// 10 % of a core, when reads are requested all the time.
const SHARE_AT_ONCE: u32 = 10;

/// The time until the next read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    every: Duration,
    /// The least time, also for a requested read.
    at_least: Duration,
}

impl Pace {
    /// Follows a read that took this much CPU time.
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

/// Returns the CPU time of the calling thread. Time in the kernel is part of it: a dump is made by the thread that
/// receives it.
pub(super) fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests;
