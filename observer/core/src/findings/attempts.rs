//! Findings made from attempts.

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::decision::Decision;
use flow_model::finding::{Finding, FindingChange, FindingKind, FindingSource, RestsOnRefusal, Severity};
use flow_model::flow::Outcome;
use flow_model::record::{Attempt, Endpoint, FlowVerdict};
use jiff::Timestamp;
use strum::VariantArray as _;

use crate::facts::AttemptFacts;
use crate::findings::Findings;
use crate::findings::classify::{self, Failure, Reading};
use crate::findings::entry::Entry;
use crate::subject::FlowSubject;

impl Findings {
    /// Takes an attempt whose outcome is known.
    pub fn attempt(&mut self, facts: &AttemptFacts<'_>) {
        self.take(facts, PartOf::Itself);
    }

    /// Takes an attempt that is part of a scan or a flood. Its failure is no finding of its own; one that was there before
    /// goes on.
    pub fn attempt_explained(&mut self, facts: &AttemptFacts<'_>) {
        self.take(facts, PartOf::Another);
    }

    /// Is true when a refusal by the policies, as this attempt's would be, has no finding that names its cause.
    #[must_use]
    pub fn lacks_cause(&self, attempt: &Attempt) -> bool {
        let subject = FlowSubject::new(&attempt.src, &attempt.dst, attempt.verdict.is_some());
        let entry = self.entries.get(&subject.of_kind(FindingKind::PolicyDenied));
        entry.is_none_or(|entry| !entry.is_active() || entry.finding().cause.is_none())
    }

    /// Ends the findings that this source alone brought about since that time: they are part of its scan.
    pub fn fold_into_scan(&mut self, source: IpAddr, since: Timestamp, now: Timestamp) {
        for (key, entry) in &mut self.entries {
            if is_folded(key.kind) && entry.is_only_of(source, since) {
                entry.resolve_because(now, format!("it is part of a port scan by {source}"));
                self.outputs.push_back(entry.emit(FindingChange::Resolved, now));
            }
        }
    }

    fn take(&mut self, facts: &AttemptFacts<'_>, part_of: PartOf) {
        let attempt = facts.attempt;
        let reading = classify::read(facts, self.config.grace, &self.node);
        // Most attempts succeed, and most of the time nothing is wrong: no names are made for those.
        if reading == Reading::Nothing || (reading == Reading::Success && self.entries.is_empty()) {
            return;
        }
        let subject = FlowSubject::new(&attempt.src, &attempt.dst, attempt.verdict.is_some());
        match reading {
            Reading::Nothing => {}
            Reading::Success => {
                let of_attempts = |kind: &FindingKind| kind.traits().source == FindingSource::Attempts;
                for kind in FindingKind::VARIANTS.iter().copied().filter(of_attempts) {
                    self.succeeded(&subject, kind, facts);
                }
            }
            Reading::Failure(failure) => self.failed(&subject, failure, facts, part_of),
        }
    }

    /// Judges findings that rest on the old policies again, by the two sides of their newest example. To be called when
    /// policies, or what they look at, changed.
    pub fn policies_changed(
        &mut self,
        rejudge: &mut dyn FnMut(&Endpoint, &Endpoint) -> Option<Arc<FlowVerdict>>,
        now: Timestamp,
    ) {
        for (key, entry) in &mut self.entries {
            let Some(example) =
                entry.example().filter(|example| entry.is_active() && rests_on_refusal(key.kind, example))
            else {
                continue;
            };
            let Some(verdict) = rejudge(&example.src, &example.dst) else { continue };
            match verdict.decision {
                Decision::Allow => {
                    entry.resolve_because(now, format!("the policies allow it since {now:.0}"));
                    self.outputs.push_back(entry.emit(FindingChange::Resolved, now));
                }
                Decision::Deny if key.kind == FindingKind::PolicyDenied => {
                    let example = Attempt { verdict: Some(verdict), ..example.clone() };
                    entry.refused_otherwise(example);
                }
                Decision::Deny | Decision::Unknown => {}
            }
        }
    }

    fn succeeded(&mut self, subject: &FlowSubject, kind: FindingKind, facts: &AttemptFacts<'_>) {
        let Some(entry) = self.entries.get_mut(&subject.of_kind(kind)) else { return };
        // Everything outside is one subject, but one address that answers proves nothing about another.
        let same = |seen: Option<&Endpoint>, now: &Endpoint| seen.is_some_and(|seen| seen.ip == now.ip);
        let Finding { src, dst, .. } = entry.finding();
        if (!subject.src_is_outside() || same(src.as_ref(), &facts.attempt.src))
            && (!subject.dst_is_outside() || same(dst.as_ref(), &facts.attempt.dst))
        {
            entry.succeeded(facts.time);
        }
    }

    fn failed(
        &mut self,
        subject: &FlowSubject,
        mut failure: Failure,
        facts: &AttemptFacts<'_>,
        part_of: PartOf,
    ) {
        let mut cause = None;
        if failure.kind == FindingKind::PolicyDenied {
            // The policies are enforced.
            self.succeeded(subject, FindingKind::EnforcementMismatch, facts);
            cause = facts.cause.map(str::to_owned);
            cause = cause.or_else(|| self.cause_of_latent(subject, facts.attempt));
        } else if subject.src_is_outside() {
            // Scans from outside must not push aside what happens inside.
            failure.severity = Severity::Info;
        }
        let key = subject.of_kind(failure.kind);
        let is_there = |entry: &Entry| entry.is_active();
        if part_of == PartOf::Another && is_folded(key.kind) && !self.entries.get(&key).is_some_and(is_there)
        {
            return;
        }
        self.update(key, facts.time, |entry| {
            let change = entry.failed(facts.time, facts.attempt, failure);
            entry.explain(cause);
            change
        });
    }

    /// Returns the change that made an open connection deniable, if the same policies refuse the attempt that is to
    /// replace that connection.
    fn cause_of_latent(&self, subject: &FlowSubject, attempt: &Attempt) -> Option<String> {
        let latent = self.entries.get(&subject.of_kind(FindingKind::LatentDenial))?.finding();
        let policies = attempt.verdict.as_ref().map(|verdict| &verdict.policies);
        (policies == Some(&latent.policies)).then(|| latent.cause.clone()).flatten()
    }
}

/// Tells whether a failure may be a finding of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PartOf {
    Itself,
    /// A scan or a flood.
    Another,
}

/// Is true for the failures that a scan or a flood explains. What policies refuse has a cause of its own.
fn is_folded(kind: FindingKind) -> bool {
    matches!(kind, FindingKind::ServiceRefused | FindingKind::Unanswered)
}

/// Is true where a finding of this kind claims that the policies refuse its example.
fn rests_on_refusal(kind: FindingKind, example: &Attempt) -> bool {
    match kind.traits().rests_on_refusal {
        RestsOnRefusal::Never => false,
        RestsOnRefusal::Always => true,
        RestsOnRefusal::IfEstablished => example.outcome == Outcome::Established,
    }
}
