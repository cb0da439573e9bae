//! Findings of several agents, joined: several nodes may report the same one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use flow_model::finding::{Evidence, Finding, State};

use crate::client::union::union;

/// The number of pieces of evidence that a joined finding keeps; the newest stay.
const MAX_EVIDENCE: usize = 20;

/// Returns one finding per id: active ones first, then by time, newest first.
pub(crate) fn join(findings: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
    let mut by_id: BTreeMap<_, Finding> = BTreeMap::new();
    for finding in findings {
        let key = (finding.id.clone(), finding.kind);
        let joined = match by_id.remove(&key) {
            Some(other) => both(other, finding),
            None => finding,
        };
        by_id.insert(key, joined);
    }
    let mut joined: Vec<_> = by_id.into_values().collect();
    joined.sort_by_key(|finding| {
        (finding.state == State::Resolved, Reverse(finding.last_seen), finding.id.clone())
    });
    joined
}

/// Joins two reports of a finding. The text is from the agent that knows it to be active, else from the one that saw it
/// last. Both ends of a connection see the same events, so the larger count is a lower bound, and the sum could be double.
fn both(a: Finding, b: Finding) -> Finding {
    let rank = |finding: &Finding| (finding.state == State::Active, finding.last_seen);
    let (newer, older) = if rank(&a) >= rank(&b) { (a, b) } else { (b, a) };
    let resolved_at = match newer.state {
        State::Active => None,
        State::Resolved => newer.resolved_at.max(older.resolved_at),
    };
    Finding {
        first_seen: newer.first_seen.min(older.first_seen),
        last_seen: newer.last_seen.max(older.last_seen),
        resolved_at,
        count: newer.count.max(older.count),
        severity: newer.severity.max(older.severity),
        policies: union(newer.policies, older.policies),
        nodes: union(newer.nodes, older.nodes),
        cause: newer.cause.or(older.cause),
        evidence: evidence(newer.evidence, older.evidence),
        ..newer
    }
}

fn evidence(mut a: Vec<Evidence>, b: Vec<Evidence>) -> Vec<Evidence> {
    a.extend(b);
    a.sort_by(|a, b| (a.time, &a.text).cmp(&(b.time, &b.text)));
    a.dedup();
    let surplus = a.len().saturating_sub(MAX_EVIDENCE);
    a.drain(..surplus);
    a
}

#[cfg(test)]
mod tests;
