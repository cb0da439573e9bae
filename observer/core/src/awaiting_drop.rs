//! Rejected attempts that wait for the drop of their SYN, and for the enforcer's log where it is read.
//!
//! A REJECT rule sends its ICMP error first and frees the SYN afterwards, and only the freed SYN carries the backend that
//! the policy protects. The enforcer logs the SYN before both, but the log comes by another way than the packets.

use flow_model::input::{AttemptSeen, DropSeen};
use jiff::Timestamp;

use crate::enforcer_log::SynKey;
use crate::held::Held;

/// Most attempts that wait: many rejects must not take much memory. Past this the oldest is released as it is.
pub(crate) const LIMIT: usize = 8_192;

/// Holds rejected attempts until what follows them arrives.
pub(super) struct AwaitingDrop(Held<AttemptSeen>);

impl Default for AwaitingDrop {
    fn default() -> Self {
        Self(Held::new(LIMIT))
    }
}

impl AwaitingDrop {
    /// Returns how many attempts wait.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Holds an attempt. Returns the oldest when there are too many.
    pub(super) fn hold(&mut self, seen: AttemptSeen, now: Timestamp) -> Option<AttemptSeen> {
        self.0.hold(SynKey::of(&seen), seen, now)
    }

    /// Completes the attempt whose SYN was dropped by the drop's backend and reason, and returns it. It stays here.
    pub(super) fn complete(&mut self, drop: &DropSeen) -> Option<&AttemptSeen> {
        let seen = self.0.get_mut(SynKey::of_dropped(drop))?;
        let arrived = (drop.tuple.dst, drop.tuple.dport);
        if arrived != (seen.tuple.dst, seen.tuple.dport) {
            seen.tuple.backend = Some(arrived);
        }
        seen.drop_reason = Some(drop.reason.clone());
        Some(seen)
    }

    /// Releases an attempt if its drop has completed it.
    pub(super) fn release_completed(&mut self, key: SynKey) -> Option<AttemptSeen> {
        self.0.get_mut(key)?.drop_reason.as_ref()?;
        self.0.release(key)
    }

    /// Releases all attempts that their drops have completed, oldest first.
    pub(super) fn all_completed(&mut self) -> Vec<AttemptSeen> {
        self.0.release_if(|seen| seen.drop_reason.is_some())
    }

    /// Releases the attempts that waited long enough.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<AttemptSeen> {
        self.0.due(now)
    }

    /// Releases all attempts.
    pub(super) fn drain(&mut self) -> Vec<AttemptSeen> {
        self.0.drain()
    }
}
