//! The life of one finding: seen, seen again, over, back.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use arcstr::ArcStr;
use flow_model::finding::{Evidence, Finding, FindingKind, Severity, State};
use flow_model::record::Attempt;
use jiff::{SignedDuration, Timestamp};

use crate::facts::LatentGroup;
use crate::findings::classify::Failure;
use crate::findings::raised::Raised;
use crate::findings::subject::Key;
use crate::findings::{FindingsConfig, sentence};

/// Unless something changes that people act on, a finding is told this often at most.
const TELL_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// A finding and what its future depends on.
#[derive(Debug)]
pub(super) struct Entry {
    /// Without evidence, which is kept apart.
    finding: Finding,
    trail: Trail,
    /// The newest attempt, of findings made from attempts.
    example: Option<Attempt>,
    /// Since when it works again: the first success after the last failure.
    success: Option<Timestamp>,
    told: Timestamp,
    /// Fingerprint of what was told last.
    told_as: u64,
    changed: bool,
}

impl Entry {
    /// A finding of which nothing is known yet.
    pub(super) fn new(key: &Key, node: &ArcStr, now: Timestamp) -> Self {
        let finding = Finding {
            id: key.id(),
            kind: key.kind,
            state: State::Resolved,
            first_seen: now,
            last_seen: now,
            resolved_at: None,
            count: 0,
            severity: Severity::Info,
            summary: String::new(),
            src: None,
            dst: None,
            policies: Vec::new(),
            vip: None,
            nodes: vec![node.clone()],
            cause: None,
            evidence: Vec::new(),
        };
        let (trail, example, success) = (Trail::default(), None, None);
        Self { finding, trail, example, success, told: now, told_as: 0, changed: true }
    }

    pub(super) fn finding(&self) -> &Finding {
        &self.finding
    }

    pub(super) fn is_active(&self) -> bool {
        self.finding.state == State::Active
    }

    pub(super) fn example(&self) -> Option<&Attempt> {
        self.example.as_ref()
    }

    /// One more failure. True if that is news that must be told at once.
    pub(super) fn failed(&mut self, time: Timestamp, attempt: &Attempt, failure: Failure) -> bool {
        self.finding.count = self.finding.count.saturating_add(1);
        self.finding.cause.take_if(|_| self.finding.state == State::Resolved);
        self.trail.push(Evidence { time, text: sentence::example(attempt) });
        // Attempts that were held back come late: what is newer stands.
        if self.example.is_none() || time >= self.finding.last_seen {
            self.finding.summary = failure.summary;
            self.show(attempt.clone());
        }
        self.success = self.success.filter(|success| *success > time);
        self.seen(time, failure.severity)
    }

    /// An attempt went as it should.
    pub(super) fn succeeded(&mut self, time: Timestamp) {
        if self.is_active() && time > self.finding.last_seen {
            self.success.get_or_insert(time);
        }
    }

    /// The policies say something else of the newest example, though they still refuse it.
    pub(super) fn refused_otherwise(&mut self, attempt: Attempt) {
        if self.example.as_ref() != Some(&attempt) {
            self.finding.summary = sentence::denied(&attempt);
            self.show(attempt);
            self.changed = true;
        }
    }

    /// Open connections of a latent denial, as they are now. True if that is news that must be told at once.
    pub(super) fn open(&mut self, now: Timestamp, group: &LatentGroup, groups: &[&LatentGroup]) -> bool {
        let open = groups.iter().map(|group| group.open).fold(0, u64::saturating_add);
        self.finding.count = open;
        self.finding.summary = sentence::latent(group, open);
        self.finding.src = Some(group.src.clone());
        self.finding.dst = Some(group.dst.clone());
        self.finding.policies = group.verdict.policies.clone();
        self.finding.cause = group.cause.clone();
        self.trail = Trail::default();
        for group in groups {
            let evidence =
                |tuple| Evidence { time: group.since, text: sentence::open_connection(group, tuple) };
            group.examples.iter().map(evidence).for_each(|evidence| self.trail.push(evidence));
        }
        self.seen(now, Severity::Warning)
    }

    /// What a detector says of it now. True if that is news that must be told at once.
    pub(super) fn raised(&mut self, now: Timestamp, raised: Raised) -> bool {
        self.finding.cause.take_if(|_| self.finding.state == State::Resolved);
        self.finding.cause = raised.cause.or_else(|| self.finding.cause.take());
        self.finding.count = raised.count;
        self.finding.summary = raised.summary;
        self.finding.src = raised.src;
        self.finding.dst = raised.dst;
        self.finding.vip = raised.vip;
        self.finding.policies = raised.policies;
        if !raised.nodes.is_empty() {
            self.finding.nodes = raised.nodes;
        }
        self.trail = Trail::default();
        raised.evidence.into_iter().for_each(|evidence| self.trail.push(evidence));
        self.seen(now, raised.severity)
    }

    /// Its detector says that it has ended; what brought it about stays told.
    pub(super) fn lowered(&mut self, now: Timestamp, because: Option<String>) {
        self.resolve(now);
        if let Some(text) = because {
            self.explain(Some(text.clone()));
            self.trail.push(Evidence { time: now, text });
        }
    }

    /// What brought it about, if that isn't known yet.
    pub(super) fn explain(&mut self, cause: Option<String>) {
        if self.finding.cause.is_none() {
            self.finding.cause = cause;
        }
    }

    pub(super) fn resolve(&mut self, now: Timestamp) {
        self.finding.state = State::Resolved;
        self.finding.resolved_at = Some(now);
        self.success = None;
        self.changed = true;
    }

    /// Resolves and says why.
    pub(super) fn resolve_because(&mut self, now: Timestamp, why: String) {
        self.resolve(now);
        self.trail.push(Evidence { time: now, text: why.clone() });
        self.finding.cause = Some(why);
    }

    /// Whether it has stopped. Open connections need not say anything for days, so silence says nothing of them.
    pub(super) fn has_stopped(&self, now: Timestamp, config: &FindingsConfig) -> bool {
        let quiet = now.duration_since(self.finding.last_seen) >= config.quiet;
        let works = self.success.is_some_and(|success| now.duration_since(success) >= config.settle);
        self.is_active() && self.finding.kind != FindingKind::LatentDenial && (quiet || works)
    }

    pub(super) fn is_over(&self, now: Timestamp, keep: SignedDuration) -> bool {
        let over = |at: Timestamp| now.duration_since(at) > keep;
        !self.is_active() && self.finding.resolved_at.is_none_or(over)
    }

    /// The update that waits, if it may be told now, also when the clock was set back. What changed and changed back,
    /// or was said again at the same instant, is none.
    pub(super) fn take_update(&mut self, now: Timestamp) -> Option<Finding> {
        if !self.changed || now.duration_since(self.told).abs() < TELL_EVERY {
            return None;
        }
        let told_as = self.told_as;
        let finding = self.tell(now);
        (self.told_as != told_as).then_some(finding)
    }

    /// The finding with its evidence; counts as told.
    pub(super) fn tell(&mut self, now: Timestamp) -> Finding {
        let finding = Finding { evidence: self.trail.to_vec(), ..self.finding.clone() };
        self.told = now;
        self.told_as = fingerprint(&finding);
        self.changed = false;
        finding
    }

    /// Who gives way first: what is resolved, then what matters least, then what was seen longest ago.
    pub(super) fn rank(&self) -> (bool, Severity, Timestamp) {
        let Finding { severity, last_seen, resolved_at, .. } = &self.finding;
        match resolved_at {
            Some(at) if !self.is_active() => (false, Severity::Info, *at),
            _ => (true, *severity, *last_seen),
        }
    }

    fn show(&mut self, attempt: Attempt) {
        self.finding.src = Some(attempt.src.clone());
        self.finding.dst = Some(attempt.dst.clone());
        self.finding.policies = attempt.verdict.as_ref().map_or_else(Vec::new, |v| v.policies.clone());
        self.example = Some(attempt);
    }

    fn seen(&mut self, time: Timestamp, severity: Severity) -> bool {
        let news = !self.is_active() || self.finding.severity != severity;
        self.finding.state = State::Active;
        self.finding.resolved_at = None;
        self.finding.severity = severity;
        self.finding.first_seen = self.finding.first_seen.min(time);
        self.finding.last_seen = self.finding.last_seen.max(time);
        self.changed = true;
        news
    }
}

fn fingerprint(finding: &Finding) -> u64 {
    let mut hasher = DefaultHasher::new();
    finding.hash(&mut hasher);
    hasher.finish()
}

/// How it began and how it goes on; what is between is in the count.
#[derive(Debug, Default)]
struct Trail {
    first: Vec<Evidence>,
    last: VecDeque<Evidence>,
}

impl Trail {
    const FIRST: usize = 3;
    const LAST: usize = 7;

    fn push(&mut self, evidence: Evidence) {
        if self.first.len() < Self::FIRST {
            self.first.push(evidence);
            return;
        }
        if self.last.len() == Self::LAST {
            self.last.pop_front();
        }
        self.last.push_back(evidence);
    }

    fn to_vec(&self) -> Vec<Evidence> {
        self.first.iter().chain(&self.last).cloned().collect()
    }
}
