//! A reader: its cursor, and its wait for more records.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use flow_model::record::{Event, FlowRecord, Lost};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::sink::tail::ring::{Cursor, Ring};
use crate::sink::tail::{Filter, Position, Start, Tail, TooManyClients};

/// A reader's position in the tail. It counts as a client until it is dropped.
#[derive(Debug)]
pub struct Subscription {
    tail: Arc<Tail>,
    filter: Filter,
    cursor: Cursor,
    /// The place after the last line returned.
    delivered: Cursor,
    /// The place where a reader that does not follow stops.
    end: Option<Cursor>,
    /// It follows each established attempt.
    is_reader: bool,
    head: watch::Receiver<u64>,
    ready: VecDeque<Item>,
}

/// A line for the reader: JSON with its newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The position after which a reader continues.
    pub position: Position,
    pub line: Bytes,
}

impl Subscription {
    pub(super) fn open(
        tail: &Arc<Tail>,
        mut filter: Filter,
        start: Start,
        follow: bool,
    ) -> Result<Self, TooManyClients> {
        let head = tail.head.subscribe();
        // Before the check: two that come at once must not both take the last place.
        if tail.counters.clients.inc() >= i64::try_from(tail.max_clients).unwrap_or(i64::MAX) {
            tail.counters.clients.dec();
            return Err(TooManyClients(tail.max_clients));
        }
        let ring = tail.ring.lock();
        let (cursor, since) = begin(tail, &ring, start);
        filter.since = since.or(filter.since);
        let memory = since.and_then(|since| tail.memory(&ring, &filter, since));
        let end = (!follow).then(|| ring.end());
        drop(ring);
        let first = memory.map(|memory| Item {
            position: Position { instance: tail.instance, cursor },
            line: line(&memory),
        });
        let is_reader = follow && filter.selects_established();
        if is_reader {
            tail.add_reader();
        }
        let (tail, ready) = (Arc::clone(tail), first.into_iter().collect());
        Ok(Self { tail, filter, cursor, delivered: cursor, end, is_reader, head, ready })
    }

    /// Leaves out the record that says where memory begins. Called before the first read.
    #[must_use]
    pub fn without_memory(mut self) -> Self {
        self.ready.clear();
        self
    }

    /// Returns the next matching record, or a `lost` record for those that were overwritten. `None` when a reader that
    /// does not follow has read everything. Cancel safe.
    pub async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                self.delivered = item.position.cursor;
                return Some(item);
            }
            // Before the read: a record that arrives after it wakes this reader.
            self.head.borrow_and_update();
            if self.fill() {
                if self.ready.is_empty() {
                    // Nothing matched in a long stretch: let others run.
                    tokio::task::yield_now().await;
                }
            } else if self.end.is_some() || self.head.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Returns the position up to which everything was delivered or did not match.
    #[must_use]
    pub fn position(&self) -> Position {
        self.at(if self.ready.is_empty() { self.cursor } else { self.delivered })
    }

    /// Is true when there is more to read without waiting.
    #[cfg(test)]
    pub(super) fn behind(&self) -> bool {
        let end = self.end.unwrap_or_else(|| self.tail.ring.lock().end());
        !self.ready.is_empty() || self.cursor != self.cursor.max(end)
    }

    /// Reads on. Returns false at the end.
    fn fill(&mut self) -> bool {
        let batch = self.tail.ring.lock().read(self.cursor, self.end, &self.filter);
        if let Some((after, lost)) = batch.lost {
            self.tail.counters.lost.inc_by(lost);
            self.ready.push_back(Item { position: self.at(after), line: lost_line(&self.tail, lost) });
        }
        let instance = self.tail.instance;
        // Without the lock: these filters parse the line, so that the tail doesn't have to keep what they look at.
        let items = batch.lines.into_iter().filter(|(_, line)| self.filter.flow.matches_line(line));
        self.ready.extend(items.map(|(cursor, line)| Item { position: Position { instance, cursor }, line }));
        let before = std::mem::replace(&mut self.cursor, batch.cursor);
        before != self.cursor
    }

    fn at(&self, cursor: Cursor) -> Position {
        Position { instance: self.tail.instance, cursor }
    }
}

/// Returns the place where a subscription begins, and the time from which on it replays.
fn begin(tail: &Tail, ring: &Ring, start: Start) -> (Cursor, Option<Timestamp>) {
    match start {
        Start::Now => (ring.end(), None),
        Start::After(position, _) if position.instance == tail.instance => {
            (position.cursor.min(ring.end()), None)
        }
        Start::Since(time) | Start::After(_, Some(time)) => (ring.since(time), Some(time)),
        Start::After(_, None) => (ring.start(), None),
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.tail.counters.clients.dec();
        if self.is_reader {
            self.tail.remove_reader();
        }
    }
}

fn lost_line(tail: &Tail, lost: u64) -> Bytes {
    let event = Event::Lost(Lost { lost, stage: arcstr::literal!("client") });
    line(&FlowRecord { time: Timestamp::now(), node: tail.node.clone(), event })
}

/// Returns the record as JSON. Writing a record to memory does not fail.
fn line(record: &FlowRecord) -> Bytes {
    let mut line = serde_json::to_vec(record).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
