//! Findings as `/api/v1/findings` serves them, and a line in the log when one appears or ends.
//!
//! Nothing here decides what is news: each finding comes with what changed. A reader that publishes findings elsewhere
//! gets them without that, because it may skip some.

mod feed;
mod journal;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::finding::{Finding, FindingKind, State};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use strum::VariantArray;

pub(super) use feed::Feed;
pub(super) use journal::Journal;

/// The time for which resolved findings are served.
const KEEP: SignedDuration = SignedDuration::from_hours(1);
/// At most this many episodes of one subject are kept. What fails every minute and works again would fill the list.
const MAX_EPISODES: usize = 8;

/// Keeps the newest state of each finding. It is bounded: resolved findings give way first, then those seen longest
/// ago; of one subject the oldest episodes do. Clones share one store.
#[derive(Clone, Debug)]
pub struct FindingStore {
    inner: Arc<Mutex<HashMap<ArcStr, Arc<Finding>>>>,
    max: usize,
}

impl FindingStore {
    pub(super) fn new(max: usize) -> Self {
        Self { inner: Arc::default(), max: max.max(1) }
    }

    /// Replaces what is stored of a finding.
    pub(super) fn put(&self, finding: Arc<Finding>, now: Timestamp) {
        let mut findings = self.inner.lock();
        if !findings.contains_key(&finding.id) {
            make_room(&mut findings, self.max, now);
            limit_episodes(&mut findings, &finding.subject);
        }
        findings.insert(finding.id.clone(), finding);
    }

    /// Returns active findings first, then those seen last, without those that resolved more than an hour ago.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Vec<Arc<Finding>> {
        let findings = self.inner.lock();
        let mut all: Vec<_> = findings.values().filter(|finding| !is_over(finding, now)).cloned().collect();
        drop(findings);
        all.sort_by(|a, b| order(a).cmp(&order(b)));
        all
    }

    /// Returns how many findings are kept, active and resolved ones.
    pub(super) fn len(&self) -> usize {
        self.inner.lock().len()
    }

    /// Returns all findings that are kept, in no order.
    pub(super) fn all(&self) -> Vec<Arc<Finding>> {
        self.inner.lock().values().cloned().collect()
    }

    /// Returns how many findings of each kind are active.
    #[must_use]
    pub fn active(&self) -> Vec<(FindingKind, usize)> {
        let findings = self.inner.lock();
        let count = |kind| {
            let active = |finding: &&Arc<Finding>| finding.kind == kind && finding.state == State::Active;
            (kind, findings.values().filter(active).count())
        };
        FindingKind::VARIANTS.iter().copied().map(count).collect()
    }
}

fn make_room(findings: &mut HashMap<ArcStr, Arc<Finding>>, max: usize, now: Timestamp) {
    if findings.len() < max {
        return;
    }
    findings.retain(|_, finding| !is_over(finding, now));
    while findings.len() >= max {
        let last = findings.iter().max_by(|(_, a), (_, b)| order(a).cmp(&order(b)));
        let Some(id) = last.map(|(id, _)| id.clone()) else { return };
        findings.remove(&id);
    }
}

/// Makes room for one more episode of this subject.
fn limit_episodes(findings: &mut HashMap<ArcStr, Arc<Finding>>, subject: &str) {
    let mut over: Vec<_> = findings
        .values()
        .filter(|finding| finding.subject == subject)
        .filter_map(|finding| finding.ended.map(|ended| (ended, finding.id.clone())))
        .collect();
    over.sort();
    let surplus = (over.len() + 1).saturating_sub(MAX_EPISODES);
    for (_, id) in over.into_iter().take(surplus) {
        findings.remove(&id);
    }
}

fn is_over(finding: &Finding, now: Timestamp) -> bool {
    finding.state == State::Resolved && finding.ended.is_none_or(|ended| now.duration_since(ended) > KEEP)
}

fn order(finding: &Finding) -> (bool, Reverse<Timestamp>, &str) {
    (finding.state == State::Resolved, Reverse(finding.last_seen), &finding.id)
}

#[cfg(test)]
mod tests;
