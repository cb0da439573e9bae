//! The life of one finding: it appears, goes on, ends, and may come back.

mod reported;
mod trail;

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::finding::{Evidence, Finding, FindingChange, FindingSource, FindingUpdate, Severity, State};
use flow_model::record::Attempt;
use jiff::{SignedDuration, Timestamp};

use self::reported::LastReported;
use self::trail::Trail;
use crate::detected::Raised;
use crate::findings::classify::Failure;
use crate::findings::config::FindingsConfig;
use crate::findings::sentence;
use crate::subject::FindingKey;

/// A finding and what its future depends on.
#[derive(Debug)]
pub(super) struct Entry {
    /// The finding without its evidence, which is kept apart.
    finding: Finding,
    trail: Trail,
    /// The newest attempt, of findings made from attempts.
    example: Option<Attempt>,
    /// The first success after the last failure: since then it works again.
    success: Option<Timestamp>,
    last: LastReported,
    /// The time since which it is active, or was last.
    since: Timestamp,
    /// The only address that failed since then; `None` where there are several.
    only_source: Option<IpAddr>,
    /// Something may differ from what was emitted last.
    changed: bool,
}

impl Entry {
    /// Returns a finding about which nothing is known yet.
    pub(super) fn new(key: &FindingKey, node: &ArcStr, now: Timestamp) -> Self {
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
        let (trail, last) = (Trail::default(), LastReported::never(now));
        Self {
            finding,
            trail,
            example: None,
            success: None,
            last,
            since: now,
            only_source: None,
            changed: true,
        }
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

    /// Adds one more failure. Returns the change if it must be emitted at once.
    pub(super) fn failed(
        &mut self,
        time: Timestamp,
        attempt: &Attempt,
        failure: Failure,
    ) -> Option<FindingChange> {
        self.finding.count = self.finding.count.saturating_add(1);
        self.finding.cause.take_if(|_| self.finding.state == State::Resolved);
        self.trail.push(Evidence { time, text: sentence::example(attempt) });
        let source = attempt.src.ip.to_canonical();
        self.only_source =
            Some(source).filter(|source| !self.is_active() || self.only_source == Some(*source));
        // Attempts that were held back come late. They don't replace what is newer.
        if self.example.is_none() || time >= self.finding.last_seen {
            self.finding.summary = failure.summary;
            self.show(attempt.clone());
        }
        self.success = self.success.filter(|success| *success > time);
        self.seen(time, time, failure.severity)
    }

    /// Is true where all that failed is of this source, since that time.
    pub(super) fn is_only_of(&self, source: IpAddr, since: Timestamp) -> bool {
        self.is_active() && self.since >= since && self.only_source == Some(source)
    }

    /// Notes that an attempt succeeded.
    pub(super) fn succeeded(&mut self, time: Timestamp) {
        if self.is_active() && time > self.finding.last_seen {
            self.success.get_or_insert(time);
        }
    }

    /// Replaces the newest example, which the policies still refuse, but for another reason.
    pub(super) fn refused_otherwise(&mut self, attempt: Attempt) {
        if self.example.as_ref() != Some(&attempt) {
            self.finding.summary = sentence::denied(&attempt);
            self.show(attempt);
            self.changed = true;
        }
    }

    /// Takes what a detector finds now. Returns the change if it must be emitted at once. A cause that is known stays until
    /// the finding ends, also where the detector can't name it any more; a finding that comes back starts without it.
    pub(super) fn raised(&mut self, now: Timestamp, raised: Raised) -> Option<FindingChange> {
        let known = self.finding.cause.take().filter(|_| self.is_active());
        self.finding.cause = raised.cause.or(known);
        self.finding.count = raised.count;
        self.finding.summary = raised.summary;
        self.finding.src = raised.src;
        self.finding.dst = raised.dst;
        self.finding.vip = raised.vip;
        self.finding.policies = raised.policies;
        if !raised.nodes.is_empty() {
            self.finding.nodes = raised.nodes;
        }
        self.trail = raised.evidence.into_iter().collect();
        self.seen(now, raised.last_seen, raised.severity)
    }

    /// Resolves a finding that its detector no longer reports. A cause that is known stays.
    pub(super) fn ended(&mut self, now: Timestamp, because: Option<String>) {
        self.resolve(now);
        if let Some(text) = because {
            self.explain(Some(text.clone()));
            self.trail.push(Evidence { time: now, text });
        }
    }

    /// Adds what brought it about, if that isn't known yet.
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

    /// Resolves it and gives the reason.
    pub(super) fn resolve_because(&mut self, now: Timestamp, why: String) {
        self.resolve(now);
        self.trail.push(Evidence { time: now, text: why.clone() });
        self.finding.cause = Some(why);
    }

    /// Is true where it works again, or where nobody tried for long enough. What a detector reports as a whole may be
    /// silent for days, and lasts until it is no longer reported.
    pub(super) fn has_stopped(&self, now: Timestamp, config: &FindingsConfig) -> bool {
        if !self.is_active() || self.finding.kind.traits().source != FindingSource::Attempts {
            return false;
        }
        let quiet = now.duration_since(self.finding.last_seen) >= config.quiet;
        let works = self.success.is_some_and(|success| now.duration_since(success) >= config.settle);
        quiet || works
    }

    pub(super) fn is_over(&self, now: Timestamp, keep: SignedDuration) -> bool {
        let over = |at: Timestamp| now.duration_since(at) > keep;
        !self.is_active() && self.finding.resolved_at.is_none_or(over)
    }

    /// Returns the pending update, if there is one and the rate allows it.
    pub(super) fn take_update(&mut self, now: Timestamp) -> Option<FindingUpdate> {
        if !self.changed || !self.last.allows_update(now) {
            return None;
        }
        let change = self.last.change(&self.with_evidence());
        if change.is_none() {
            self.changed = false;
            self.last.checked(now);
        }
        change.map(|change| self.emit(change, now))
    }

    /// Returns the finding with its evidence, which counts as emitted.
    pub(super) fn emit(&mut self, change: FindingChange, now: Timestamp) -> FindingUpdate {
        let finding = self.with_evidence();
        self.last = LastReported::new(&finding, now);
        self.changed = false;
        FindingUpdate { change, finding }
    }

    /// Orders findings by who gives way first: resolved ones, then by severity, then those seen longest ago.
    pub(super) fn rank(&self) -> (bool, Severity, Timestamp) {
        let Finding { severity, last_seen, resolved_at, .. } = &self.finding;
        match resolved_at {
            Some(at) if !self.is_active() => (false, Severity::Info, *at),
            _ => (true, *severity, *last_seen),
        }
    }

    fn with_evidence(&self) -> Finding {
        Finding { evidence: self.trail.to_vec(), ..self.finding.clone() }
    }

    fn show(&mut self, attempt: Attempt) {
        self.finding.src = Some(attempt.src.clone());
        self.finding.dst = Some(attempt.dst.clone());
        self.finding.policies = attempt.verdict.as_ref().map_or_else(Vec::new, |v| v.policies.clone());
        self.example = Some(attempt);
    }

    /// Notes that it is there, since `first` if it was not known before.
    fn seen(&mut self, first: Timestamp, last: Timestamp, severity: Severity) -> Option<FindingChange> {
        let change = match (self.is_active(), self.finding.severity == severity) {
            (false, _) => Some(FindingChange::Appeared),
            (true, false) => Some(FindingChange::Updated),
            (true, true) => None,
        };
        if !self.is_active() {
            self.since = first;
        }
        self.finding.state = State::Active;
        self.finding.resolved_at = None;
        self.finding.severity = severity;
        self.finding.first_seen = self.finding.first_seen.min(first);
        self.finding.last_seen = self.finding.last_seen.max(last);
        self.changed = true;
        change
    }
}
