//! One episode of a subject: its finding, and what is remembered of it until it ends.

mod ending;
mod number;
mod shares;
mod trail;

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::finding::{Cause, Evidence, Finding, FindingKind, Severity, State};
use flow_model::record::Attempt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::shares::Shares;
use self::trail::Trail;
use crate::detected::Raised;
use crate::findings::classify::Failure;
use crate::findings::lagging::Earlier;
use crate::findings::sentence;
use crate::subject::FindingKey;

pub(super) use self::ending::Ending;
pub(super) use self::number::Number;

/// An episode. Its id, its start and a known cause never change, and nothing changes after its end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Episode {
    /// The finding without its evidence, which is kept apart.
    finding: Finding,
    number: Number,
    trail: Trail,
    /// The newest attempt, of findings made from attempts.
    example: Option<Attempt>,
    /// The part of each client pod.
    shares: Shares,
    /// The only address that failed; `None` where there are several.
    only_source: Option<IpAddr>,
}

impl Episode {
    /// Begins the first episode of a subject, or the first that is remembered. Its number is at least `floor`.
    pub(super) fn first(key: &FindingKey, node: &ArcStr, floor: Number, start: Timestamp) -> Self {
        let number = Number::at(start).max(floor);
        Self::begin(key.kind, key.id(), node.clone(), number, start)
    }

    /// Begins the episode after this one. It takes nothing from it but the subject.
    pub(super) fn next(&self, node: ArcStr, start: Timestamp) -> Self {
        let Finding { id, subject, kind, .. } = &self.finding;
        let mut next = Self::begin(*kind, subject.clone(), node, self.number.after(start), start);
        next.finding.previous = Some(id.clone());
        next
    }

    fn begin(kind: FindingKind, subject: ArcStr, node: ArcStr, number: Number, start: Timestamp) -> Self {
        let finding = Finding {
            id: number.id(&subject),
            subject,
            previous: None,
            kind,
            state: State::Active,
            first_seen: start,
            last_seen: start,
            ended: None,
            ended_because: None,
            count: 0,
            of_src: None,
            severity: Severity::Info,
            summary: String::new(),
            src: None,
            dst: None,
            policies: Vec::new(),
            vip: None,
            nodes: vec![node],
            cause: None,
            cause_at: None,
            evidence: Vec::new(),
        };
        let (trail, shares) = (Trail::default(), Shares::default());
        Self { finding, number, trail, example: None, shares, only_source: None }
    }

    pub(super) fn finding(&self) -> &Finding {
        &self.finding
    }

    pub(super) fn number(&self) -> Number {
        self.number
    }

    pub(super) fn example(&self) -> Option<&Attempt> {
        self.example.as_ref()
    }

    /// Returns the finding with its evidence.
    pub(super) fn to_finding(&self) -> Finding {
        Finding { evidence: self.trail.to_vec(), ..self.finding.clone() }
    }

    /// Is true where all that failed is of this source, since that time.
    pub(super) fn is_only_of(&self, source: IpAddr, since: Timestamp) -> bool {
        self.finding.first_seen >= since && self.only_source == Some(source)
    }

    /// Adds contradictions from the time in which enforcement may lag. An episode that has only begun began with them.
    pub(super) fn began_with(&mut self, earlier: &Earlier) {
        if self.finding.count == 0 {
            self.finding.first_seen = self.finding.first_seen.min(earlier.since());
        }
        self.finding.count = self.finding.count.saturating_add(earlier.unlisted());
        for (time, attempt) in earlier.listed() {
            self.count(*time, attempt);
        }
    }

    /// Adds one more failure.
    pub(super) fn failed(&mut self, time: Timestamp, attempt: &Attempt, failure: Failure) {
        self.count(time, attempt);
        // Attempts that were held back come late. They don't replace what is newer.
        if self.example.is_none() || time >= self.finding.last_seen {
            self.finding.summary = failure.summary;
            self.show(attempt.clone());
        }
        self.finding.of_src = self.finding.src.as_ref().and_then(|src| self.shares.of(src));
        self.seen(time, failure.severity);
    }

    /// Replaces the newest example, which the policies still refuse, but for another reason. Returns whether it differs.
    pub(super) fn refused_otherwise(&mut self, attempt: Attempt) -> bool {
        let differs = self.example.as_ref() != Some(&attempt);
        if differs {
            self.finding.summary = sentence::denied(&attempt);
            self.show(attempt);
        }
        differs
    }

    /// Takes what a detector finds now.
    pub(super) fn raised(&mut self, raised: Raised) {
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
        self.explain(raised.cause);
        self.seen(raised.last_seen, raised.severity);
    }

    /// Adds what brought it about, if that isn't known yet. What happened after its start did not.
    pub(super) fn explain(&mut self, cause: Option<Cause>) {
        let began = self.finding.first_seen;
        let Some(Cause { text, at }) = cause.filter(|cause| cause.at.is_none_or(|at| at <= began)) else {
            return;
        };
        if self.finding.cause.is_none() {
            (self.finding.cause, self.finding.cause_at) = (Some(text), at);
        }
    }

    /// Returns its cause.
    pub(super) fn cause(&self) -> Option<Cause> {
        let Finding { cause, cause_at, .. } = &self.finding;
        cause.clone().map(|text| Cause { text, at: *cause_at })
    }

    /// Ends it. An end before the start shows that the clock was set back.
    pub(super) fn end(&mut self, now: Timestamp, why: &Ending) {
        self.finding.state = State::Resolved;
        self.finding.ended = Some(now.max(self.finding.first_seen));
        self.finding.ended_because = Some(why.to_string());
    }

    fn count(&mut self, time: Timestamp, attempt: &Attempt) {
        let source = attempt.src.ip.to_canonical();
        let first = self.finding.count == 0;
        self.only_source = Some(source).filter(|source| first || self.only_source == Some(*source));
        self.finding.count = self.finding.count.saturating_add(attempt.count);
        self.trail.push(Evidence { time, text: sentence::example(attempt) });
        self.shares.add(&attempt.src, time, attempt.count);
    }

    fn show(&mut self, attempt: Attempt) {
        self.finding.src = Some(attempt.src.clone());
        self.finding.dst = Some(attempt.dst.clone());
        self.finding.policies = attempt.verdict.as_ref().map_or_else(Vec::new, |v| v.policies.clone());
        self.example = Some(attempt);
    }

    fn seen(&mut self, last: Timestamp, severity: Severity) {
        self.finding.severity = severity;
        self.finding.last_seen = self.finding.last_seen.max(last);
    }
}
