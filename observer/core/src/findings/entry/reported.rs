//! The content of a finding when it was last emitted, and whether the finding differs from that now.

use std::hash::{DefaultHasher, Hash, Hasher};

use flow_model::finding::{Finding, FindingChange};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// An update of an active finding is emitted this often at most, unless its state or severity changes.
const UPDATE_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// Remembers what a finding was when it was emitted last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LastReported {
    /// The time at which it was emitted, or compared with what was emitted.
    at: Timestamp,
    /// Fingerprint of everything but `last_seen`.
    content: u64,
    last_seen: Timestamp,
}

impl LastReported {
    pub(super) fn new(finding: &Finding, now: Timestamp) -> Self {
        Self { at: now, content: fingerprint(finding), last_seen: finding.last_seen }
    }

    /// Notes that nothing differs now. Comparing costs as much as emitting, so it is done no more often.
    pub(super) fn checked(&mut self, now: Timestamp) {
        self.at = now;
    }

    /// Is true where an update may be emitted, also when the clock was set back.
    pub(super) fn allows_update(&self, now: Timestamp) -> bool {
        now.duration_since(self.at).abs() >= UPDATE_EVERY
    }

    /// Returns how a finding differs from what was emitted. What changed and changed back does not differ.
    pub(super) fn change(&self, finding: &Finding) -> Option<FindingChange> {
        if fingerprint(finding) != self.content {
            return Some(FindingChange::Updated);
        }
        (finding.last_seen != self.last_seen).then_some(FindingChange::Confirmed)
    }
}

fn fingerprint(finding: &Finding) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Field by field rather than by a copy: a field that is added must be named here.
    let Finding {
        id,
        subject,
        previous,
        kind,
        state,
        first_seen,
        last_seen: _,
        ended,
        ended_because,
        count,
        of_src,
        severity,
        summary,
        src,
        dst,
        policies,
        vip,
        nodes,
        cause,
        cause_at,
        evidence,
    } = finding;
    (id, subject, previous, kind, state, first_seen, ended, ended_because).hash(&mut hasher);
    (count, of_src, severity, summary, src, dst, policies, vip).hash(&mut hasher);
    (nodes, cause, cause_at, evidence).hash(&mut hasher);
    hasher.finish()
}
