//! Contradictions of the verdict that were too early for a finding, because enforcement may lag. If they last, the finding
//! begins with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use flow_model::decision::Decision;
use flow_model::record::{Attempt, Endpoint, FlowVerdict};
use jiff::{SignedDuration, Timestamp};

use crate::agreement::decision;
use crate::facts::AttemptFacts;
use crate::subject::FlowSubject;

/// Most subjects remembered, each with up to [`MAX_LISTED`] attempts of about 1 KiB. A change that concerns more of them
/// at once pushes out those seen longest ago, whose findings then begin without their first evidence.
const MAX_SUBJECTS: usize = 256;
/// Most attempts remembered of one subject: as many as a finding keeps of its beginning.
const MAX_LISTED: usize = 3;

/// Remembers contradictions by subject.
#[derive(Debug, Default)]
pub(super) struct Lagging(BTreeMap<FlowSubject, Earlier>);

/// The contradictions of one subject.
#[derive(Debug)]
pub(super) struct Earlier {
    /// The first ones with their times.
    listed: Vec<(Timestamp, Attempt)>,
    count: u64,
    last: Timestamp,
}

impl Earlier {
    /// Returns when the first was seen.
    pub(super) fn since(&self) -> Timestamp {
        self.listed.iter().map(|(time, _)| *time).min().unwrap_or(self.last)
    }

    /// Returns the first ones.
    pub(super) fn listed(&self) -> &[(Timestamp, Attempt)] {
        &self.listed
    }

    /// Returns how many more there were.
    pub(super) fn unlisted(&self) -> u64 {
        self.count - self.listed.iter().map(|(_, attempt)| attempt.count).sum::<u64>()
    }

    fn decision(&self) -> Decision {
        self.listed.first().map_or(Decision::Unknown, |(_, attempt)| decision(attempt))
    }

    fn add(&mut self, time: Timestamp, attempt: &Attempt) {
        self.count += attempt.count;
        self.last = self.last.max(time);
        if self.listed.len() < MAX_LISTED {
            self.listed.push((time, attempt.clone()));
        }
    }
}

impl Lagging {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds an attempt that contradicts the verdict. Others that are too early for a finding, such as those without an
    /// answer, show no contradiction.
    pub(super) fn add(&mut self, subject: &FlowSubject, facts: &AttemptFacts<'_>) {
        let AttemptFacts { time, attempt, .. } = *facts;
        if attempt.enforcement_lag.is_none() {
            return;
        }
        if !self.0.contains_key(subject) && self.0.len() >= MAX_SUBJECTS {
            let oldest = self.0.iter().min_by_key(|(_, earlier)| earlier.last).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.0.remove(&key));
        }
        let new = || Earlier { listed: Vec::new(), count: 0, last: time };
        let earlier = self.0.entry(subject.clone()).or_insert_with(new);
        if earlier.decision() != decision(attempt) {
            // The policies decide otherwise now. What contradicted them before is no evidence any more.
            *earlier = new();
        }
        earlier.add(time, attempt);
    }

    /// Forgets what contradicted the verdict before an attempt that agrees with it: enforcement has caught up.
    pub(super) fn enforced(&mut self, subject: &FlowSubject, attempt: &Attempt) {
        if decision(attempt) != Decision::Unknown {
            self.0.remove(subject);
        }
    }

    /// Takes the contradictions of the verdict that this attempt contradicts too.
    pub(super) fn take(&mut self, subject: &FlowSubject, facts: &AttemptFacts<'_>) -> Option<Earlier> {
        let earlier = self.0.remove(subject)?;
        (earlier.decision() == decision(facts.attempt) && earlier.since() <= facts.time).then_some(earlier)
    }

    /// Forgets contradictions of verdicts that the policies don't give any more.
    pub(super) fn policies_changed(
        &mut self,
        rejudge: &mut dyn FnMut(&Endpoint, &Endpoint) -> Option<Arc<FlowVerdict>>,
    ) {
        self.0.retain(|_, earlier| {
            let example = earlier.listed.last().map(|(_, attempt)| attempt);
            let verdict = example.and_then(|attempt| rejudge(&attempt.src, &attempt.dst));
            verdict.is_none_or(|verdict| verdict.decision == earlier.decision())
        });
    }

    /// Forgets what was seen longer ago than `quiet`, or later than now: the clock was set back.
    pub(super) fn forget(&mut self, now: Timestamp, quiet: SignedDuration) {
        self.0.retain(|_, earlier| now.duration_since(earlier.last).abs() <= quiet);
    }
}
