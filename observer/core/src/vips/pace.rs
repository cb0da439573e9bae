//! The pace at which snapshots of a VIP are emitted.

use jiff::{SignedDuration, Timestamp};

/// A snapshot that changed is emitted this often at most.
const CHANGED_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// A snapshot in which only the time of the newest announcement changed is emitted this often at most.
const SEEN_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// Decides when a snapshot is emitted.
#[derive(Debug)]
pub(super) struct Pace {
    emitted: Option<Timestamp>,
    changed: bool,
    seen_again: bool,
}

impl Default for Pace {
    /// Returns the pace of a VIP that has not been emitted yet.
    fn default() -> Self {
        Self { emitted: None, changed: true, seen_again: false }
    }
}

impl Pace {
    /// Notes that the snapshot changed.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    /// Notes that the same host announced the address again.
    pub(super) fn seen_again(&mut self) {
        self.seen_again = true;
    }

    /// Is true where the snapshot is due, which counts as emitted then. A clock that was set back does not delay it.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        let lately = |every| self.emitted.is_some_and(|at| now.duration_since(at).abs() < every);
        let due = (self.changed && !lately(CHANGED_EVERY)) || (self.seen_again && !lately(SEEN_EVERY));
        if due {
            *self = Self { emitted: Some(now), changed: false, seen_again: false };
        }
        due
    }
}
