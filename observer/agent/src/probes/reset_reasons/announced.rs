//! Whether the map of announcements still has what was announced since some time: when it is full the oldest yields.

use std::collections::VecDeque;

/// Announcements that the map holds in any case, far below its size: the kernel's order of age is not exact.
const HELD: u64 = 2_048;
/// Notes that are kept. They reach further back than any RST waits.
const NOTES: usize = 8;
/// A RST is seen this long after its announcement at most: it passes the node in between.
const PASSAGE_NS: u64 = 50_000_000;

/// Numbers of announcements since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// All of them.
    pub(super) announced: u64,
    /// Those that are not in the map.
    pub(super) failed: u64,
}

/// Remembers how the numbers grew.
#[derive(Debug, Default)]
pub(super) struct Announced(VecDeque<(u64, Totals)>);

impl Announced {
    /// Notes the numbers at a time.
    pub(super) fn note(&mut self, time_ns: u64, totals: Totals) {
        if self.0.len() == NOTES {
            self.0.pop_front();
        }
        self.0.push_back((time_ns, totals));
    }

    /// Is true if all announcements of resets that were seen since a time are in the map, going by the numbers now.
    pub(super) fn is_remembered_since(&self, time_ns: u64, now: Totals) -> bool {
        let before = self.0.iter().rev().find(|(noted_ns, _)| noted_ns.saturating_add(PASSAGE_NS) <= time_ns);
        before.is_some_and(|(_, then)| {
            now.failed == then.failed && now.announced.saturating_sub(then.announced) <= HELD
        })
    }
}

#[cfg(test)]
mod tests;
