//! The times at which the node's table of tracked connections was full, joined with attempts.
//!
//! While it is full, the kernel drops each packet that would begin a connection, before any firewall rule sees it:
//! `nf_conntrack_in` in <https://github.com/torvalds/linux/blob/v6.12/net/netfilter/nf_conntrack_core.c>.

use std::collections::VecDeque;

use flow_model::flow::Outcome;
use flow_model::input::AttemptSeen;
use flow_model::record::LossCause;
use jiff::{SignedDuration, Timestamp};

/// The longest time that a period is remembered, and so the longest life of an attempt that it may explain. A SYN without
/// an answer is repeated for seconds, and reported 5 s after that.
const KEEP: SignedDuration = SignedDuration::from_secs(120);
/// Most periods remembered: one is reported each second.
const MAX: usize = 128;

/// Remembers when the table was full lately.
#[derive(Debug, Default)]
pub(super) struct TableFull {
    /// Beginning and end, oldest first.
    periods: VecDeque<(Timestamp, Timestamp)>,
}

impl TableFull {
    /// Notes that the kernel dropped packets for lack of room at some time between these two.
    pub(super) fn add(&mut self, since: Timestamp, until: Timestamp) {
        if self.periods.len() == MAX {
            self.periods.pop_front();
        }
        self.periods.push_back((since, until));
    }

    /// Returns the cause of an attempt without an answer whose SYN netfilter dropped while the table was full. Another rule
    /// may have dropped it at the same time, if it found room.
    pub(super) fn cause(&self, seen: &AttemptSeen) -> Option<LossCause> {
        let by_netfilter = seen.drop_reason.as_ref().is_some_and(|reason| reason.contains("NETFILTER"));
        if self.periods.is_empty() || seen.outcome != Outcome::Unanswered || !by_netfilter {
            return None;
        }
        // Times may be any in a recording, so they are compared by their distance.
        let overlaps = |(since, until): &(Timestamp, Timestamp)| {
            until.duration_since(seen.time) >= -seen.life()
                && since.duration_since(seen.time) <= SignedDuration::ZERO
        };
        self.periods.iter().any(overlaps).then_some(LossCause::ConntrackFull)
    }

    /// Forgets what is long ago.
    pub(super) fn tick(&mut self, now: Timestamp) {
        // When the clock was set back, periods must not stay for ever.
        self.periods.retain(|(_, until)| now.duration_since(*until).abs() <= KEEP);
    }
}

#[cfg(test)]
mod tests;
