//! The findings of `/api/v1/findings`, and a line in the log when one comes or goes.

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

/// How long resolved findings are told.
const KEEP: SignedDuration = SignedDuration::from_hours(1);

/// The newest word on each finding. Bounded: what is resolved gives way, then what was seen longest ago.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct FindingStore {
    inner: Arc<Mutex<HashMap<ArcStr, Arc<Finding>>>>,
    max: usize,
}

/// What a finding's newest word changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Appeared,
    Resolved,
    /// Neither: it goes on, or was not known to be active.
    None,
}

impl FindingStore {
    pub(super) fn new(max: usize) -> Self {
        Self { inner: Arc::default(), max: max.max(1) }
    }

    pub(super) fn put(&self, finding: Finding, now: Timestamp) -> (Change, Arc<Finding>) {
        let mut findings = self.inner.lock();
        let finding = Arc::new(finding);
        if !findings.contains_key(&finding.id) {
            make_room(&mut findings, self.max, now);
        }
        let before = findings.insert(finding.id.clone(), Arc::clone(&finding));
        let was_active = before.is_some_and(|before| before.state == State::Active);
        let change = match finding.state {
            State::Active if !was_active => Change::Appeared,
            State::Resolved if was_active => Change::Resolved,
            State::Active | State::Resolved => Change::None,
        };
        (change, finding)
    }

    /// Active ones first, then those seen last; without those resolved for more than an hour.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Vec<Arc<Finding>> {
        let findings = self.inner.lock();
        let mut all: Vec<_> = findings.values().filter(|finding| !is_over(finding, now)).cloned().collect();
        drop(findings);
        all.sort_by(|a, b| order(a).cmp(&order(b)));
        all
    }

    /// All that are kept, in no order.
    pub(super) fn all(&self) -> Vec<Arc<Finding>> {
        self.inner.lock().values().cloned().collect()
    }

    /// How many of each kind are active.
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

fn is_over(finding: &Finding, now: Timestamp) -> bool {
    finding.state == State::Resolved
        && finding.resolved_at.is_none_or(|resolved| now.duration_since(resolved) > KEEP)
}

fn order(finding: &Finding) -> (bool, Reverse<Timestamp>, &str) {
    (finding.state == State::Resolved, Reverse(finding.last_seen), &finding.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::testing::{at, finding, resolved};

    fn ids(store: &FindingStore, second: i64) -> Vec<ArcStr> {
        store.snapshot(at(second)).iter().map(|finding| finding.id.clone()).collect()
    }

    #[test]
    fn changes_are_those_of_the_state() {
        let store = FindingStore::new(9);
        let change = |finding| store.put(finding, at(9)).0;
        assert_eq!(change(resolved(finding("a", 0), 0)), Change::None);
        assert_eq!(change(finding("a", 0)), Change::Appeared);
        assert_eq!(change(finding("a", 1)), Change::None);
        assert_eq!(change(resolved(finding("a", 1), 2)), Change::Resolved);
        assert_eq!(change(resolved(finding("a", 1), 2)), Change::None);
        assert_eq!(change(finding("a", 3)), Change::Appeared);
        assert_eq!(ids(&store, 9), ["a"]);
    }

    #[test]
    fn active_ones_come_first_and_the_newest_of_them() {
        let store = FindingStore::new(9);
        for finding in [
            finding("old", 1),
            resolved(finding("gone", 9), 10),
            finding("new", 3),
            finding("b", 2),
            finding("a", 2),
        ] {
            store.put(finding, at(10));
        }
        assert_eq!(ids(&store, 10), ["new", "a", "b", "old", "gone"]);
    }

    #[test]
    fn resolved_ones_stay_for_an_hour() {
        let store = FindingStore::new(9);
        store.put(finding("active", 0), at(0));
        store.put(resolved(finding("gone", 0), 10), at(10));
        assert_eq!(ids(&store, 3610), ["active", "gone"]);
        assert_eq!(ids(&store, 3611), ["active"]);
    }

    #[test]
    fn the_store_is_bounded() {
        let store = FindingStore::new(3);
        store.put(resolved(finding("over", 90), 91), at(91));
        for n in 0..3 {
            store.put(finding(&format!("f{n}"), n), at(100));
        }
        assert_eq!(ids(&store, 100), ["f2", "f1", "f0"]);
        store.put(finding("f9", 50), at(100));
        assert_eq!(ids(&store, 100), ["f9", "f2", "f1"]);
        let counts: Vec<usize> = store.active().iter().map(|(_, n)| *n).collect();
        assert_eq!((counts.len(), counts[0], counts.iter().sum()), (FindingKind::VARIANTS.len(), 3, 3));
        store.put(finding("f1", 60), at(100));
        assert_eq!(ids(&store, 100), ["f1", "f9", "f2"], "an update needs no room");
    }
}
