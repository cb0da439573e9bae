//! Findings made from attempts.

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::decision::Decision;
use flow_model::finding::{Cause, Finding, FindingKind, FindingSource, RestsOnRefusal, Severity};
use flow_model::flow::Outcome;
use flow_model::record::{Attempt, Endpoint, FlowVerdict};
use jiff::{SignedDuration, Timestamp};
use strum::VariantArray as _;

use crate::facts::AttemptFacts;
use crate::findings::Findings;
use crate::findings::classify::{self, Failure, Reading};
use crate::findings::entry::Entry;
use crate::findings::episode::Ending;
use crate::subject::{FindingKey, FlowSubject};

/// The time that a start may take. What fails meanwhile is reported without a warning.
const START: SignedDuration = SignedDuration::from_secs(60);

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

    /// Is true when a refusal by the policies, as this attempt's would be, begins a finding, which needs its cause.
    #[must_use]
    pub fn needs_cause(&self, attempt: &Attempt) -> bool {
        let subject = FlowSubject::new(&attempt.src, &attempt.dst, attempt.verdict.is_some());
        !self.is_active(&subject.of_kind(FindingKind::PolicyDenied))
    }

    /// Ends the findings that this source alone brought about since that time: they are part of its scan.
    pub fn fold_into_scan(&mut self, source: IpAddr, since: Timestamp, now: Timestamp) {
        for (key, entry) in &mut self.entries {
            if is_folded(key.kind) && entry.is_only_of(source, since) {
                self.outputs.push_back(entry.end(now, &Ending::PartOfScan(source)));
            }
        }
    }

    fn take(&mut self, facts: &AttemptFacts<'_>, part_of: PartOf) {
        let attempt = facts.attempt;
        let reading = classify::read(facts, &self.node);
        // Most attempts succeed, and most of the time nothing is wrong: no names are made for those.
        if reading == Reading::Success && self.entries.is_empty() && self.lagging.is_empty() {
            return;
        }
        let subject = FlowSubject::new(&attempt.src, &attempt.dst, attempt.verdict.is_some());
        match reading {
            Reading::Early => self.lagging.add(&subject, facts),
            Reading::Success => {
                self.lagging.enforced(&subject, facts.attempt);
                // What failed before a backend was there is about the Service.
                let addressed = FlowSubject::addressed(&attempt.src, &attempt.dst, attempt.verdict.is_some());
                let of_attempts = |kind: &FindingKind| kind.traits().source == FindingSource::Attempts;
                for subject in [Some(subject), addressed].iter().flatten() {
                    for kind in FindingKind::VARIANTS.iter().copied().filter(of_attempts) {
                        self.succeeded(subject, kind, facts);
                    }
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
        self.lagging.policies_changed(rejudge);
        for (key, entry) in &mut self.entries {
            let Some(example) = entry.example().filter(|example| rests_on_refusal(key.kind, example)) else {
                continue;
            };
            let Some(verdict) = rejudge(&example.src, &example.dst) else { continue };
            match verdict.decision {
                Decision::Allow => {
                    self.outputs.push_back(entry.end(now, &Ending::Allowed(now)));
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
        let is_refusal = failure.kind == FindingKind::PolicyDenied;
        if is_refusal {
            // The policies are enforced.
            self.succeeded(subject, FindingKind::EnforcementMismatch, facts);
            self.lagging.enforced(subject, facts.attempt);
        } else if subject.src_is_outside() {
            // Scans from outside must not push aside what happens inside.
            failure.severity = Severity::Info;
        }
        let key = subject.of_kind(failure.kind);
        if is_folded(key.kind) && is_starting(facts) && !self.lasts(&key, facts.time) {
            failure.severity = Severity::Info;
        }
        if part_of == PartOf::Another && is_folded(key.kind) && !self.is_active(&key) {
            return;
        }
        let begins = is_refusal && !self.is_active(&key);
        let cause = begins.then(|| self.cause_of_refusal(subject, facts)).flatten();
        let is_mismatch = key.kind == FindingKind::EnforcementMismatch;
        let earlier = is_mismatch.then(|| self.lagging.take(subject, facts)).flatten();
        self.update(key, facts.time, |entry| {
            let change = entry.failed(facts.time, facts.attempt, failure, earlier);
            entry.explain_beginning(cause);
            change
        });
    }

    fn is_active(&self, key: &FindingKey) -> bool {
        self.entries.get(key).is_some_and(Entry::is_active)
    }

    /// Is true for a finding that has been active for longer than a start takes.
    fn lasts(&self, key: &FindingKey, now: Timestamp) -> bool {
        let active = self.entries.get(key).filter(|entry| entry.is_active());
        active.is_some_and(|entry| now.duration_since(entry.finding().first_seen) >= START)
    }

    /// Returns the change by which the policies came to refuse an attempt. Where they refused an open connection of the
    /// same subject before, its cause is the same, and may be longer ago than the history reaches.
    fn cause_of_refusal(&self, subject: &FlowSubject, facts: &AttemptFacts<'_>) -> Option<Cause> {
        self.cause_of_latent(subject, facts).or_else(|| facts.cause.cloned())
    }

    /// Returns the change that made an open connection deniable, if the same policies refuse the attempt that is to
    /// replace that connection. Where something changed when that finding ended, or since then, the refusal may have been
    /// taken back and have come anew, for a reason of its own.
    fn cause_of_latent(&self, subject: &FlowSubject, facts: &AttemptFacts<'_>) -> Option<Cause> {
        let episode = self.entries.get(&subject.of_kind(FindingKind::LatentDenial))?.episode();
        let Finding { policies, ended, .. } = episode.finding();
        let still_refuses =
            facts.attempt.verdict.as_ref().is_some_and(|verdict| verdict.policies == *policies);
        let changed = ended.zip(facts.policy_change).is_some_and(|(ended, change)| change >= ended);
        (still_refuses && !changed).then(|| episode.cause()).flatten()
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

/// Is true while a pod of either side starts. Clients begin before their servers listen, and wait for them.
fn is_starting(facts: &AttemptFacts<'_>) -> bool {
    let starts = [facts.src_start, facts.dst_start];
    starts.into_iter().flatten().any(|start| facts.time.duration_since(start) < START)
}

/// Is true where a finding of this kind claims that the policies refuse its example.
fn rests_on_refusal(kind: FindingKind, example: &Attempt) -> bool {
    match kind.traits().rests_on_refusal {
        RestsOnRefusal::Never => false,
        RestsOnRefusal::Always => true,
        RestsOnRefusal::IfEstablished => example.outcome == Outcome::Established,
    }
}
