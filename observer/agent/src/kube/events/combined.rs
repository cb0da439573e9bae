//! Combines what is similar, as client-go's `EventAggregator` does
//! (<https://github.com/kubernetes/client-go/blob/v0.34.0/tools/record/events_cache.go>): a pod that can't reach forty
//! destinations has a few Events of its own, and one that counts the rest.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arcstr::ArcStr;
use flow_model::finding::{Finding, FindingKind, State};
use jiff::Timestamp;
use lru::LruCache;

use crate::kube::events::report::Report;
use crate::kube::events::subject::{Object, Subject};

/// This many findings of one kind have Events of their own on one object (client-go's `defaultAggregateMaxEvents`).
pub(super) const OWN: usize = 10;
/// An own Event makes room for another when its finding was not updated for so long (client-go's
/// `defaultAggregateIntervalInSeconds`).
pub(super) const OWN_FOR: Duration = Duration::from_mins(10);
/// The beginning of a combined Event's text, as client-go writes it.
pub(super) const PREFIX: &str = "(combined from similar events): ";
/// At most this many findings are combined on one object. The agent keeps no more findings.
const MAX_MEMBERS: usize = 1_000;
const MAX_GROUPS: NonZeroUsize = NonZeroUsize::new(4_000).unwrap();

/// Decides which findings share an Event.
pub(super) struct Combining {
    groups: LruCache<(Object, FindingKind), Group>,
}

/// The findings of one kind that concern one object.
#[derive(Default)]
struct Group {
    /// Findings with an Event of their own, and their last updates.
    own: HashMap<ArcStr, Instant>,
    combined: Option<Combined>,
}

/// The findings that share one Event.
struct Combined {
    id: ArcStr,
    subject: Subject,
    /// The active ones, and how often each happened.
    active: HashMap<ArcStr, u64>,
    /// The number and the occurrences of those that have ended.
    ended: (usize, u64),
    first_seen: Timestamp,
    last_seen: Timestamp,
    newest: Arc<Finding>,
}

impl Combining {
    pub(super) fn new() -> Self {
        Self { groups: LruCache::new(MAX_GROUPS) }
    }

    /// Returns what is to be reported instead of this report. It is empty where there are too many to combine.
    pub(super) fn note(&mut self, report: Report, now: Instant) -> Vec<Report> {
        match report.finding.state {
            State::Active => {
                let key = (report.subject.regarding.clone(), report.finding.kind);
                self.groups.get_or_insert_mut(key, Group::default).note(report, now).into_iter().collect()
            }
            State::Resolved => {
                // The pods of a workload share a finding, so it may be a member of several groups.
                let ended = self.groups.iter_mut().filter_map(|(_, group)| group.note_end(&report));
                let mut reports: Vec<Report> = ended.collect();
                reports.push(report);
                reports
            }
        }
    }
}

impl Group {
    fn note(&mut self, report: Report, now: Instant) -> Option<Report> {
        let id = &report.finding.id;
        let is_member = self.combined.as_ref().is_some_and(|combined| combined.active.contains_key(id));
        if !is_member {
            self.own.retain(|own, updated| own == id || now.duration_since(*updated) < OWN_FOR);
            if self.own.len() < OWN || self.own.contains_key(id) {
                self.own.insert(id.clone(), now);
                return Some(report);
            }
        }
        self.combined.get_or_insert_with(|| Combined::new(&report)).take(&report)
    }

    fn note_end(&mut self, report: &Report) -> Option<Report> {
        let combined = self.combined.as_mut()?;
        let ended = combined.end(&report.finding)?;
        if ended.finding.state == State::Resolved {
            self.combined = None;
        }
        Some(ended)
    }
}

impl Combined {
    fn new(first: &Report) -> Self {
        Self {
            id: arcstr::format!("{}-combined", first.finding.id),
            // The findings may concern several policies and Services.
            subject: Subject { related: None, ..first.subject.clone() },
            active: HashMap::new(),
            ended: (0, 0),
            first_seen: first.first_seen(),
            last_seen: first.last_seen(),
            newest: Arc::clone(&first.finding),
        }
    }

    /// Takes an update of an active finding.
    fn take(&mut self, report: &Report) -> Option<Report> {
        let id = &report.finding.id;
        let is_new = !self.active.contains_key(id);
        if is_new && self.active.len() >= MAX_MEMBERS {
            return None;
        }
        self.active.insert(id.clone(), report.count());
        self.first_seen = self.first_seen.min(report.first_seen());
        self.last_seen = self.last_seen.max(report.last_seen());
        if is_new || self.newest.id == *id {
            self.newest = Arc::clone(&report.finding);
        }
        Some(self.report(None))
    }

    /// Takes the end of a finding, if it is one of these.
    fn end(&mut self, finding: &Finding) -> Option<Report> {
        let occurrences = self.active.remove(&finding.id)?;
        self.ended = (self.ended.0 + 1, self.ended.1 + occurrences);
        Some(self.report(self.active.is_empty().then_some(finding)))
    }

    /// Returns a report as of one finding, whose text is about the newest. `last` is the finding that ended last, if all
    /// have.
    fn report(&self, last: Option<&Finding>) -> Report {
        let active: u64 = self.active.values().sum();
        let finding = Finding {
            id: self.id.clone(),
            state: if last.is_some() { State::Resolved } else { State::Active },
            count: self.ended.1.saturating_add(active),
            of_src: None,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            summary: self.summary(),
            ended: last.map(|last| last.ended.unwrap_or(last.last_seen)),
            ended_because: last.map(|last| self.because(last)),
            ..(*self.newest).clone()
        };
        Report::new(Arc::new(finding), self.subject.clone())
    }

    fn all(&self) -> usize {
        self.ended.0 + self.active.len()
    }

    fn summary(&self) -> String {
        let (all, active, newest) = (self.all(), self.active.len(), &self.newest.summary);
        match (all, active) {
            (1, _) => format!("{PREFIX}{newest}"),
            (_, 0) => format!("{PREFIX}{all} findings; the newest: {newest}"),
            _ => format!("{PREFIX}{all} findings, {active} of them active; the newest: {newest}"),
        }
    }

    fn because(&self, last: &Finding) -> String {
        let because = last.ended_because.as_deref();
        match (self.all(), because) {
            (1, Some(because)) => because.to_owned(),
            (all, None) => format!("all {all} findings have ended"),
            (all, Some(because)) => format!("all {all} findings have ended, the last one because {because}"),
        }
    }
}
