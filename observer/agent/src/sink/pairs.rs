//! The table of `/api/v1/pairs`: net counts per pod pair.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flow_model::flow::{Counts, Pair};
use flow_model::object_ref::ObjectRef;
use flow_model::output::PairUpdate;
use flow_model::record::Endpoint;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Holds the rows, bounded: a new row replaces the least recently updated one, whose counts go to [`PairRows::other`],
/// so that sums stay exact.
#[derive(Debug)]
pub struct PairTable {
    inner: Mutex<Inner>,
}

/// A copy of the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PairRows {
    /// The rows, most recently updated first.
    pub rows: Vec<PairRow>,
    /// Counts without a row.
    pub other: Counts,
}

/// A pair of pods (or Service, or address).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairRow {
    pub pair: Pair,
    pub src: Endpoint,
    pub dst: Endpoint,
    pub counts: Counts,
}

/// The key of a row. It has the names, because an address may pass to another pod, which has counts of its own.
type Key = (Pair, Option<Name>, Option<Name>);

/// The part of an endpoint by which rows are distinguished.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Service(ObjectRef),
    Pod(ObjectRef),
}

#[derive(Debug, Default)]
struct Inner {
    rows: HashMap<Arc<Key>, Slot>,
    /// The keys, by the stamp of the last update.
    order: BTreeMap<u64, Arc<Key>>,
    stamp: u64,
    max_rows: usize,
    other: Counts,
}

#[derive(Debug)]
struct Slot {
    row: PairRow,
    stamp: u64,
}

impl PairTable {
    pub(super) fn new(max_rows: usize) -> Self {
        Self { inner: Mutex::new(Inner { max_rows, ..Inner::default() }) }
    }

    pub(super) fn update(&self, update: PairUpdate) {
        self.inner.lock().update(update);
    }

    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.inner.lock().rows.len()
    }

    /// Goes on with the rows of the agent before.
    pub(super) fn restore(&self, kept: PairRows) {
        let mut inner = self.inner.lock();
        inner.other = kept.other;
        // The most recently updated one comes first.
        for row in kept.rows.into_iter().rev() {
            let key = (row.pair, name(&row.src), name(&row.dst));
            inner.put(key, row);
        }
    }

    /// Returns all rows and the remainder.
    #[must_use]
    pub fn snapshot(&self) -> PairRows {
        let inner = self.inner.lock();
        let rows = inner.order.values().rev().filter_map(|key| inner.rows.get(key));
        PairRows { rows: rows.map(|slot| slot.row.clone()).collect(), other: inner.other }
    }
}

impl Inner {
    fn update(&mut self, PairUpdate { pair, counts, .. }: PairUpdate) {
        let Some((pair, src, dst)) = pair else {
            add(&mut self.other, &counts);
            return;
        };
        let mut row = PairRow { pair, src, dst, counts: Counts::default() };
        let (src, dst) = (name(&row.src), name(&row.dst));
        let key = (pair, src, dst);
        match self.take(&key).or_else(|| self.take_unnamed(&key)) {
            Some(known) => row.counts = known,
            // The kernel takes back only what it gave, so the row it gave to has gone.
            None if takes_back(&counts) => {
                add(&mut self.other, &counts);
                return;
            }
            None => {}
        }
        add(&mut row.counts, &counts);
        if row.counts != Counts::default() {
            self.put(key, row);
        }
    }

    /// Removes and returns a row of the same addresses that was counted before its names were known.
    fn take_unnamed(&mut self, (pair, src, dst): &Key) -> Option<Counts> {
        [(None, dst.clone()), (src.clone(), None), (None, None)]
            .into_iter()
            .find_map(|(src, dst)| self.take(&(*pair, src, dst)))
    }

    fn take(&mut self, key: &Key) -> Option<Counts> {
        let slot = self.rows.remove(key)?;
        self.order.remove(&slot.stamp);
        Some(slot.row.counts)
    }

    fn put(&mut self, key: Key, row: PairRow) {
        while self.rows.len() >= self.max_rows.max(1)
            && let Some((_, oldest)) = self.order.pop_first()
        {
            if let Some(slot) = self.rows.remove(&oldest) {
                add(&mut self.other, &slot.row.counts);
            }
        }
        let key = Arc::new(key);
        self.stamp += 1;
        self.order.insert(self.stamp, Arc::clone(&key));
        self.rows.insert(key, Slot { row, stamp: self.stamp });
    }
}

/// Returns the pod, or the Service addressed, whose backends change from one connection to the next.
fn name(endpoint: &Endpoint) -> Option<Name> {
    match (&endpoint.service, &endpoint.namespace, &endpoint.pod) {
        (Some(service), ..) => Some(Name::Service(service.clone())),
        (None, Some(namespace), Some(pod)) => Some(Name::Pod(ObjectRef::new(namespace.clone(), pod.clone()))),
        _ => None,
    }
}

fn each(counts: &mut Counts) -> impl Iterator<Item = &mut i64> {
    let Counts { syn, syn_retransmits, rst, outcomes } = counts;
    [syn, syn_retransmits].into_iter().chain(rst.iter_mut().flatten()).chain(outcomes)
}

/// Adds increments to a sum.
pub fn add(to: &mut Counts, from: &Counts) {
    let mut from = *from;
    for (to, from) in each(to).zip(each(&mut from)) {
        *to = to.saturating_add(*from);
    }
}

fn takes_back(counts: &Counts) -> bool {
    each(&mut counts.clone()).any(|n| *n < 0)
}

#[cfg(test)]
mod tests;
