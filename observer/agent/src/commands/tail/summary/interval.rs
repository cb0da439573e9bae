//! The counts of one interval, and their two forms.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::{self, Display};

use anstyle::Style;
use flow_model::flow::{Outcome, Vantage};
use flow_model::record::{Endpoint, Event, FlowRecord};
use jiff::Timestamp;
use serde::Serialize;

use crate::client::print::{Look, plural, printable, table};

/// The pairs that are printed.
const TOP: usize = 10;
/// The most pairs that are counted apart: a scan of all ports must not fill the memory.
const MAX_PAIRS: usize = 10_000;
const HEAD: [&str; 9] =
    ["FROM", "TO", "ATTEMPTS", "ESTABLISHED", "REFUSED", "REJECTED", "UNANSWERED", "RESETS", "DROPS"];

/// Counts while an interval lasts.
pub(super) struct Interval {
    begin: Timestamp,
    /// By the names of both sides. The nodes of both see the same attempt, and so each vantage counts by itself.
    pairs: HashMap<(String, String), [Counts; 3]>,
    lost: u64,
    uncounted: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    attempts: u64,
    established: u64,
    refused: u64,
    rejected: u64,
    unanswered: u64,
    resets: u64,
    drops: u64,
}

/// An interval that is over.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Over {
    begin: Timestamp,
    end: Timestamp,
    /// Those with the most attempts, then with the most resets and drops.
    pairs: Vec<Pair>,
    /// The number of pairs that are not listed.
    other_pairs: usize,
    /// The records of pairs that were too many to be counted apart.
    uncounted: u64,
    /// The records that did not arrive.
    lost: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Pair {
    from: String,
    to: String,
    #[serde(flatten)]
    counts: Counts,
}

impl Interval {
    pub(super) fn new(begin: Timestamp) -> Self {
        Self { begin, pairs: HashMap::new(), lost: 0, uncounted: 0 }
    }

    /// Counts an attempt, a reset, a drop or a loss.
    pub(super) fn add(&mut self, record: &FlowRecord) {
        match &record.event {
            Event::Attempt(attempt) => {
                let add = |counts: &mut Counts| counts.add(attempt.outcome, attempt.count);
                self.count(attempt.vantage, &attempt.src, &attempt.dst, add);
            }
            Event::Reset(reset) => {
                self.count(reset.vantage, &reset.src, &reset.dst, |counts| counts.resets += 1);
            }
            Event::Drop(drop) => self.count(drop.vantage, &drop.src, &drop.dst, |counts| counts.drops += 1),
            Event::Lost(lost) => self.lost += lost.lost,
            Event::Announcement(_) | Event::PolicyChange(_) | Event::Check(_) | Event::Memory(_) => {}
        }
    }

    fn count(&mut self, vantage: Vantage, src: &Endpoint, dst: &Endpoint, add: impl FnOnce(&mut Counts)) {
        let to = dst.service.as_ref().map_or_else(|| name(dst), ToString::to_string);
        let pair = (name(src), format!("{to}:{}", dst.port));
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&pair) {
            self.uncounted += 1;
            return;
        }
        add(&mut self.pairs.entry(pair).or_default()[vantage as usize]);
    }

    /// Ends the interval.
    pub(super) fn end(self, end: Timestamp) -> Over {
        let Self { begin, pairs, lost, uncounted } = self;
        let pairs = pairs.into_iter().map(|((from, to), seen)| {
            let counts = seen.into_iter().max_by_key(Counts::weight).unwrap_or_default();
            Pair { from, to, counts }
        });
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by(|a, b| {
            let order = |pair: &Pair| (Reverse(pair.counts.weight()), pair.from.clone(), pair.to.clone());
            order(a).cmp(&order(b))
        });
        let other_pairs = pairs.len().saturating_sub(TOP);
        pairs.truncate(TOP);
        Over { begin, end, pairs, other_pairs, uncounted, lost }
    }
}

impl Counts {
    fn add(&mut self, outcome: Outcome, attempts: u64) {
        self.attempts += attempts;
        *match outcome {
            Outcome::Established => &mut self.established,
            Outcome::Refused => &mut self.refused,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Unanswered => &mut self.unanswered,
        } += attempts;
    }

    fn weight(&self) -> (u64, u64) {
        (self.attempts, self.resets + self.drops)
    }
}

/// Returns the workload or the pod, or the node, or the address.
fn name(side: &Endpoint) -> String {
    let node = || side.node.as_ref().map(|node| format!("node {node}"));
    side.owner().map(|owner| owner.to_string()).or_else(node).unwrap_or_else(|| match side.ip {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    })
}

/// Displays an interval: a line, then a table if anything was counted.
pub(super) struct Text<'a> {
    pub(super) interval: &'a Over,
    pub(super) look: &'a Look,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Over { begin, end, pairs, other_pairs, uncounted, lost } = self.interval;
        let count = plural(pairs.len() + other_pairs, "pair");
        let mut title = format!("{} to {}: {count}", self.look.time(*begin), self.look.time(*end));
        for (number, what) in [(*uncounted, "records of further pairs"), (*lost, "records lost")] {
            if number > 0 {
                title.push_str(&format!(", {number} {what}"));
            }
        }
        writeln!(f, "{}", self.look.paint(Style::new().bold(), &title))?;
        if pairs.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = pairs.iter().map(row).collect();
        table::lines(HEAD, &rows).iter().try_for_each(|line| writeln!(f, "{line}"))?;
        match other_pairs {
            0 => Ok(()),
            more => writeln!(f, "and {more} more"),
        }
    }
}

fn row(Pair { from, to, counts }: &Pair) -> [String; HEAD.len()] {
    let Counts { attempts, established, refused, rejected, unanswered, resets, drops } = counts;
    let [a, e, r, j, u, s, d] =
        [attempts, established, refused, rejected, unanswered, resets, drops].map(ToString::to_string);
    [printable(from), printable(to), a, e, r, j, u, s, d]
}

#[cfg(test)]
mod tests;
