//! One episode, as several nodes report it.

use std::cmp::Ordering;
use std::iter;

use arcstr::ArcStr;
use flow_model::finding::{Counting, Evidence, Finding, State};
use jiff::Timestamp;

use crate::client::union::union;

/// The number of pieces of evidence that a joined finding keeps; the newest stay.
const MAX_EVIDENCE: usize = 20;

/// The reports of one episode.
pub(super) struct Episode {
    /// The first report, in [`order`].
    first: Finding,
    /// The other reports of the same state, in order.
    others: Vec<Finding>,
    /// Reports of nodes on which it has ended, while it goes on elsewhere.
    ended_early: Vec<Finding>,
}

impl Episode {
    pub(super) fn new(report: Finding) -> Self {
        Self { first: report, others: Vec::new(), ended_early: Vec::new() }
    }

    /// Adds a report. Active ones come first, and those of one state in [`order`].
    pub(super) fn add(&mut self, report: Finding) {
        let reports = if self.first.state == report.state { &mut self.others } else { &mut self.ended_early };
        reports.push(report);
    }

    pub(super) fn is_active(&self) -> bool {
        self.first.state == State::Active
    }

    /// Returns its id: that of the node on which it began first.
    pub(super) fn id(&self) -> &ArcStr {
        &self.first.id
    }

    /// Returns the ids that nodes gave it.
    pub(super) fn ids(&self) -> impl Iterator<Item = &ArcStr> {
        self.reports().chain(&self.ended_early).map(|report| &report.id)
    }

    /// Is true where it went on while this report, of an episode that has ended, did.
    pub(super) fn overlaps(&self, report: &Finding) -> bool {
        report.ended.is_some_and(|ended| ended > self.first.first_seen)
            && self.end().is_none_or(|end| report.first_seen < end)
    }

    /// Returns what the nodes know together. Both ends of a connection see the same events, so the largest count is a lower
    /// bound, and the sum could be double.
    pub(super) fn join(self) -> Finding {
        let began = self.first.first_seen;
        // What happened after the first node saw it begin did not bring it about.
        let explains =
            |report: &&Finding| report.cause.is_some() && report.cause_at.is_none_or(|at| at <= began);
        let cause = self.reports().find(explains);
        let Finding { id, previous, .. } = self.first.clone();
        let all = self.reports().chain(&self.ended_early);
        Finding {
            id,
            previous,
            first_seen: began,
            last_seen: self.reports().map(|report| report.last_seen).max().unwrap_or(began),
            ended: self.end(),
            count: self.reports().map(|report| report.count).max().unwrap_or_default(),
            severity: self.reports().map(|report| report.severity).max().unwrap_or(self.first.severity),
            policies: self.reports().fold(Vec::new(), |known, report| union(known, report.policies.clone())),
            nodes: all.fold(Vec::new(), |known, report| union(known, report.nodes.clone())),
            cause: cause.and_then(|report| report.cause.clone()),
            cause_at: cause.and_then(|report| report.cause_at),
            evidence: evidence(self.reports()),
            ..self.speaker().clone()
        }
    }

    /// Returns the report whose text the joined finding has: that of the node on which it ended last, or was seen last.
    /// Where the text counts what is there now, it is that of the node that sees most.
    fn speaker(&self) -> &Finding {
        let rank = |report: &Finding| {
            let seen = match report.kind.traits().counting {
                Counting::Present => report.count,
                Counting::Occurrences => 0,
            };
            (seen, report.ended, report.last_seen)
        };
        let better = |best, report| if rank(report) > rank(best) { report } else { best };
        self.others.iter().fold(&self.first, better)
    }

    fn reports(&self) -> impl Iterator<Item = &Finding> {
        iter::once(&self.first).chain(&self.others)
    }

    fn end(&self) -> Option<Timestamp> {
        self.reports().filter_map(|report| report.ended).max()
    }
}

/// Orders reports by their beginning. What else differs makes the order of the answers irrelevant.
pub(super) fn order(a: &Finding, b: &Finding) -> Ordering {
    let times = |f: &Finding| (f.first_seen, f.last_seen, f.ended, f.count);
    let by_text = || (&a.id, &a.nodes, &a.summary, &a.cause).cmp(&(&b.id, &b.nodes, &b.summary, &b.cause));
    times(a).cmp(&times(b)).then_with(by_text)
}

fn evidence<'a>(reports: impl Iterator<Item = &'a Finding>) -> Vec<Evidence> {
    let mut all: Vec<_> = reports.flat_map(|report| report.evidence.iter().cloned()).collect();
    all.sort_by(|a, b| (a.time, &a.text).cmp(&(b.time, &b.text)));
    all.dedup();
    let surplus = all.len().saturating_sub(MAX_EVIDENCE);
    all.drain(..surplus);
    all
}
