//! What the enforcer of the policies logged, joined with attempts and dropped SYNs.
//!
//! kube-router logs packets that it drops to a group of netlink's packet log: at most ten a minute for each pod. So a
//! line says that the enforcer logged this SYN, and the lack of one says nothing. Its fork in k3s also logs a packet for
//! each policy that does not admit it, though another policy may: a line is no proof of a drop either. Both stand beside
//! the verdict and what the wire showed, and replace neither.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use arcstr::ArcStr;
use flow_model::flow::Outcome;
use flow_model::input::{AttemptSeen, DropSeen, LoggedSyn};
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use crate::growing;

/// The longest time that a line waits for the end of its attempt: 5 s after the last SYN that went without an answer.
/// Linux repeats a SYN at most six seconds long in intervals below that (since 6.5 once a second for four seconds, then
/// after 1 and 2 s): <https://github.com/torvalds/linux/blob/v6.12/Documentation/networking/ip-sysctl.rst>. Up to 3 s of
/// waiting for a name come on top.
const KEEP: SignedDuration = SignedDuration::from_secs(30);
/// A line is read this much before or after its packet was seen, at most, as the two come by different ways.
const SLACK: SignedDuration = SignedDuration::from_secs(1);
/// Most SYNs remembered. Past this the oldest is forgotten: kube-router's limit allows as many from 400 pods at once.
const MAX: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// Identifies a SYN, whatever DNAT does to its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SynKey {
    pub(super) src: IpAddr,
    pub(super) sport: u16,
    pub(super) isn: u32,
}

impl SynKey {
    /// Returns the key of an attempt's SYNs.
    pub(super) fn of(seen: &AttemptSeen) -> Self {
        Self { src: seen.tuple.src, sport: seen.tuple.sport, isn: seen.isn }
    }

    /// Returns the key of a dropped SYN.
    pub(super) fn of_dropped(seen: &DropSeen) -> Self {
        Self { src: seen.tuple.src, sport: seen.tuple.sport, isn: seen.seq }
    }

    fn of_logged(logged: &LoggedSyn) -> Self {
        Self { src: logged.src, sport: logged.sport, isn: logged.isn }
    }
}

/// The lines about one SYN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    first: Timestamp,
    last: Timestamp,
    /// The first policy that a line named.
    pub(super) policy: Option<ArcStr>,
}

/// Remembers the SYNs that the enforcer logged lately.
pub(super) struct EnforcerLog {
    /// The log is read, so that a line may still come.
    read: bool,
    logged: LruCache<SynKey, Logged>,
}

impl Default for EnforcerLog {
    fn default() -> Self {
        Self { read: false, logged: growing::cache(MAX) }
    }
}

impl EnforcerLog {
    /// Notes whether the log is read.
    pub(super) fn set_read(&mut self, read: bool) {
        self.read = read;
    }

    /// Is true where a line about this SYN may still come.
    pub(super) fn may_come(&self, key: SynKey) -> bool {
        self.read && !self.logged.contains(&key)
    }

    /// Takes a line. Returns the key of its SYN.
    pub(super) fn add(&mut self, seen: LoggedSyn) -> SynKey {
        let key = SynKey::of_logged(&seen);
        let LoggedSyn { time, policy, .. } = seen;
        match self.logged.get_mut(&key) {
            Some(logged) => {
                logged.last = time;
                logged.policy = logged.policy.take().or(policy);
            }
            None => drop(self.logged.put(key, Logged { first: time, last: time, policy })),
        }
        key
    }

    /// Returns the lines about a SYN.
    pub(super) fn line(&self, key: SynKey) -> Option<&Logged> {
        self.logged.peek(&key)
    }

    /// Returns the lines about an attempt that failed, and forgets them: an attempt is reported once. They count if the time
    /// from the first to the last of them overlaps the attempt's life.
    pub(super) fn take(&mut self, seen: &AttemptSeen) -> Option<Logged> {
        if self.logged.is_empty() {
            return None;
        }
        let logged = self.logged.pop(&SynKey::of(seen))?;
        (seen.outcome != Outcome::Established && logged.is_within(seen)).then_some(logged)
    }

    /// Forgets lines whose attempt did not end in time.
    pub(super) fn tick(&mut self, now: Timestamp) {
        // When the clock was set back, lines must not stay for ever.
        let is_old = |logged: &Logged| now.duration_since(logged.last).abs() > KEEP;
        while self.logged.peek_lru().is_some_and(|(_, logged)| is_old(logged)) {
            self.logged.pop_lru();
        }
    }
}

impl Logged {
    fn is_within(&self, seen: &AttemptSeen) -> bool {
        let (since, until) = (seen.life().saturating_add(SLACK), SLACK);
        // Times may be any in a recording, so they are compared by their distance.
        let after = |line: Timestamp| line.duration_since(seen.time);
        after(self.last) >= -since && after(self.first) <= until
    }
}

#[cfg(test)]
mod tests;
