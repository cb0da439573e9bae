//! Findings: from attempts and open connections to what a human should act on.
//!
//! One finding per kind, source workload, destination workload and port. It is updated while it lasts, and resolved when
//! it works again, when the policies change their mind, or when nobody tries any more. Other detectors raise and lower
//! findings of theirs ([`Findings::raise`]), which live the same life.

mod classify;
mod entry;
mod raised;
mod sentence;
mod subject;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::decision::Decision;
use flow_model::finding::{Finding, FindingKind, Severity};
use flow_model::flow::Outcome;
use flow_model::record::{Attempt, Endpoint, FlowVerdict};
use jiff::{SignedDuration, Timestamp};

use self::classify::{Failure, Reading};
use self::entry::Entry;
use self::subject::{Key, Subject};
use crate::facts::{AttemptFacts, LatentGroup};

pub use self::raised::Raised;

/// Kinds made from attempts.
const OF_ATTEMPTS: [FindingKind; 4] = [
    FindingKind::PolicyDenied,
    FindingKind::ServiceRefused,
    FindingKind::Unanswered,
    FindingKind::EnforcementMismatch,
];

/// When findings come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingsConfig {
    /// How long enforcement may lag behind a new pod or a changed policy.
    pub grace: SignedDuration,
    /// Without new evidence for this long, a finding resolves.
    pub quiet: SignedDuration,
    /// After a success without another failure for this long, a finding resolves.
    pub settle: SignedDuration,
    /// How long resolved findings are remembered.
    pub keep: SignedDuration,
    /// Findings remembered, active and resolved.
    pub max: usize,
}

impl Default for FindingsConfig {
    fn default() -> Self {
        Self {
            grace: SignedDuration::from_secs(15),
            quiet: SignedDuration::from_mins(10),
            settle: SignedDuration::from_secs(10),
            keep: SignedDuration::from_hours(1),
            max: 1_000,
        }
    }
}

/// The findings of one node. Feed it, then drain [`Findings::next_output`].
#[derive(Debug)]
pub struct Findings {
    node: ArcStr,
    config: FindingsConfig,
    entries: BTreeMap<Key, Entry>,
    outputs: VecDeque<Finding>,
    crowded_out: u64,
}

impl Findings {
    /// None yet, for the node of this name.
    #[must_use]
    pub fn new(node: ArcStr, config: FindingsConfig) -> Self {
        Self { node, config, entries: BTreeMap::new(), outputs: VecDeque::new(), crowded_out: 0 }
    }

    /// Takes an attempt whose outcome is known.
    pub fn attempt(&mut self, facts: &AttemptFacts<'_>) {
        let attempt = facts.attempt;
        let reading = classify::read(facts, self.config.grace, &self.node);
        // Most attempts succeed, and most of the time nothing is wrong: no names are made for those.
        if reading == Reading::Nothing || (reading == Reading::Success && self.entries.is_empty()) {
            return;
        }
        let subject = Subject::new(&attempt.src, &attempt.dst, attempt.verdict.is_some());
        match reading {
            Reading::Nothing => {}
            Reading::Success => {
                for kind in OF_ATTEMPTS {
                    self.succeeded(&subject, kind, facts);
                }
            }
            Reading::Failure(failure) => self.failed(&subject, failure, facts),
        }
    }

    /// Takes all open connections that today's policies would refuse; what is absent is over.
    pub fn latent(&mut self, groups: &[LatentGroup], now: Timestamp) {
        let mut by_key: BTreeMap<Key, Vec<&LatentGroup>> = BTreeMap::new();
        for group in groups {
            let key = Subject::new(&group.src, &group.dst, true).of_kind(FindingKind::LatentDenial);
            by_key.entry(key).or_default().push(group);
        }
        for (key, entry) in &mut self.entries {
            if key.kind == FindingKind::LatentDenial && entry.is_active() && !by_key.contains_key(key) {
                entry.resolve(now);
                self.outputs.push_back(entry.tell(now));
            }
        }
        for (key, groups) in by_key {
            // The one with the oldest connection speaks for all.
            if let Some(group) = groups.iter().min_by_key(|group| group.since) {
                self.update(key, now, |entry| entry.open(now, group, &groups));
            }
        }
    }

    /// Policies, or what they look at, changed: findings that rest on their old word are judged again, by the two sides
    /// of their newest example.
    pub fn policies_changed(
        &mut self,
        rejudge: &mut dyn FnMut(&Endpoint, &Endpoint) -> Option<Arc<FlowVerdict>>,
        now: Timestamp,
    ) {
        for (key, entry) in &mut self.entries {
            let Some(example) = entry.example().filter(|example| entry.is_active() && rests_on(key, example))
            else {
                continue;
            };
            let Some(verdict) = rejudge(&example.src, &example.dst) else { continue };
            match verdict.decision {
                Decision::Allow => {
                    entry.resolve_because(now, format!("the policies allow it since {now:.0}"));
                    self.outputs.push_back(entry.tell(now));
                }
                Decision::Deny if key.kind == FindingKind::PolicyDenied => {
                    let example = Attempt { verdict: Some(verdict), ..example.clone() };
                    entry.refused_otherwise(example);
                }
                Decision::Deny | Decision::Unknown => {}
            }
        }
    }

    /// Time passes: what has stopped resolves, updates are told, what is long over is forgotten.
    pub fn tick(&mut self, now: Timestamp) {
        for entry in self.entries.values_mut() {
            if entry.has_stopped(now, &self.config) {
                entry.resolve(now);
                self.outputs.push_back(entry.tell(now));
            } else {
                self.outputs.extend(entry.take_update(now));
            }
        }
        let keep = self.config.keep;
        self.entries.retain(|_, entry| !entry.is_over(now, keep));
    }

    /// The next finding that appeared, changed or was resolved.
    pub fn next_output(&mut self) -> Option<Finding> {
        self.outputs.pop_front()
    }

    /// How many findings, active and resolved, are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Findings forgotten before their time since this was last asked, because there were too many.
    pub fn take_crowded_out(&mut self) -> u64 {
        std::mem::take(&mut self.crowded_out)
    }

    fn succeeded(&mut self, subject: &Subject, kind: FindingKind, facts: &AttemptFacts<'_>) {
        let Some(entry) = self.entries.get_mut(&subject.of_kind(kind)) else { return };
        // All of the world outside is one subject, but one address that answers says nothing of another.
        let same = |seen: Option<&Endpoint>, now: &Endpoint| seen.is_some_and(|seen| seen.ip == now.ip);
        let Finding { src, dst, .. } = entry.finding();
        if (!subject.src_is_outside() || same(src.as_ref(), &facts.attempt.src))
            && (!subject.dst_is_outside() || same(dst.as_ref(), &facts.attempt.dst))
        {
            entry.succeeded(facts.time);
        }
    }

    fn failed(&mut self, subject: &Subject, mut failure: Failure, facts: &AttemptFacts<'_>) {
        let mut cause = None;
        if failure.kind == FindingKind::PolicyDenied {
            // Refused, as it should be.
            self.succeeded(subject, FindingKind::EnforcementMismatch, facts);
            cause = self.cause_of_latent(subject, facts.attempt);
        } else if subject.src_is_outside() {
            // Whoever scans addresses from outside shall not push aside what happens inside.
            failure.severity = Severity::Info;
        }
        self.update(subject.of_kind(failure.kind), facts.time, |entry| {
            let news = entry.failed(facts.time, facts.attempt, failure);
            entry.explain(cause);
            news
        });
    }

    /// The change that made an open connection deniable refuses the one that is to replace it.
    fn cause_of_latent(&self, subject: &Subject, attempt: &Attempt) -> Option<String> {
        let latent = self.entries.get(&subject.of_kind(FindingKind::LatentDenial))?.finding();
        let policies = attempt.verdict.as_ref().map(|verdict| &verdict.policies);
        (policies == Some(&latent.policies)).then(|| latent.cause.clone()).flatten()
    }

    fn update(&mut self, key: Key, now: Timestamp, change: impl FnOnce(&mut Entry) -> bool) {
        if !self.entries.contains_key(&key) {
            self.make_room(now);
        }
        let entry = self.entries.entry(key);
        let entry = entry.or_insert_with_key(|key| Entry::new(key, &self.node, now));
        if change(entry) {
            self.outputs.push_back(entry.tell(now));
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        while self.entries.len() >= self.config.max.max(1) {
            let first = self.entries.iter().min_by_key(|(_, entry)| entry.rank()).map(|(key, _)| key.clone());
            let Some(mut entry) = first.and_then(|key| self.entries.remove(&key)) else { return };
            self.crowded_out += 1;
            if entry.is_active() {
                // Or whoever was told of it would hold it for active for ever.
                entry.resolve_because(now, "forgotten: there are too many findings".to_owned());
                self.outputs.push_back(entry.tell(now));
            }
        }
    }
}

/// Whether a finding says that the policies refuse its example.
fn rests_on(key: &Key, example: &Attempt) -> bool {
    match key.kind {
        FindingKind::PolicyDenied => true,
        FindingKind::EnforcementMismatch => example.outcome == Outcome::Established,
        FindingKind::ServiceRefused
        | FindingKind::Unanswered
        | FindingKind::LatentDenial
        | FindingKind::VipFlap
        | FindingKind::VipConflict
        | FindingKind::RstBurst => false,
    }
}
