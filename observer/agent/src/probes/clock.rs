//! Converts kernel time to wall time. Records carry CLOCK_MONOTONIC, and people read wall time.

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

/// Holds the wall clock's distance from the monotonic clock. It is read again for every batch, so that steps of the
/// wall clock take effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    offset_ns: i128,
}

impl Clock {
    /// Reads both clocks.
    pub(super) fn read() -> Self {
        Self { offset_ns: read_ns(ClockId::CLOCK_REALTIME) - read_ns(ClockId::CLOCK_MONOTONIC) }
    }

    /// Returns a kernel time as wall time, in whole microseconds: the two clocks are not read at the same instant.
    pub(super) fn wall(self, monotonic_ns: u64) -> Timestamp {
        let ns = i128::from(monotonic_ns) + self.offset_ns;
        i64::try_from(ns / 1_000)
            .ok()
            .and_then(|us| Timestamp::from_microsecond(us).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Returns the time that `bpf_ktime_get_ns` returns in the kernel.
pub(super) fn monotonic_ns() -> u64 {
    u64::try_from(read_ns(ClockId::CLOCK_MONOTONIC)).unwrap_or(0)
}

fn read_ns(id: ClockId) -> i128 {
    clock_gettime(id).map_or(0, |t| i128::from(t.tv_sec()) * 1_000_000_000 + i128::from(t.tv_nsec()))
}
