//! A reader: its cursor, and its wait for more records.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use flow_model::record::{Event, FlowRecord, Lost};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::sink::tail::{Filter, Position, Start, Tail, TooManyClients};

/// A reader's position in the tail. It counts as a client until it is dropped.
#[derive(Debug)]
pub struct Subscription {
    tail: Arc<Tail>,
    filter: Filter,
    cursor: u64,
    /// Number of the last line returned.
    delivered: u64,
    /// The place where a reader that does not follow stops.
    end: Option<u64>,
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
        let cursor = match start {
            Start::Now => ring.next(),
            Start::Since(time) => {
                filter.since = Some(time);
                ring.since(time)
            }
            Start::After(position, _) if position.instance == tail.instance => {
                position.seq.saturating_add(1).min(ring.next())
            }
            Start::After(_, Some(time)) => {
                filter.since = Some(time);
                ring.since(time)
            }
            Start::After(_, None) => ring.first(),
        };
        let end = (!follow).then(|| ring.next());
        drop(ring);
        Ok(Self {
            tail: Arc::clone(tail),
            filter,
            cursor,
            delivered: cursor - 1,
            end,
            head,
            ready: VecDeque::new(),
        })
    }

    /// Returns the next matching record, or a `lost` record for those that were overwritten. `None` when a reader that
    /// does not follow has read everything. Cancel safe.
    pub async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                self.delivered = item.position.seq;
                return Some(item);
            }
            let end = self.end.unwrap_or_else(|| *self.head.borrow_and_update());
            if self.cursor < end {
                self.fill(end);
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
        self.at(if self.ready.is_empty() { self.cursor - 1 } else { self.delivered })
    }

    /// Is true when there is more to read without waiting.
    #[cfg(test)]
    pub(super) fn behind(&self) -> bool {
        !self.ready.is_empty() || self.cursor < self.end.unwrap_or_else(|| *self.head.borrow())
    }

    fn fill(&mut self, end: u64) {
        let batch = self.tail.ring.lock().read(self.cursor, end, &self.filter);
        if batch.lost > 0 {
            let seq = self.cursor + batch.lost - 1;
            self.tail.counters.lost.inc_by(batch.lost);
            let line = lost_line(&self.tail, batch.lost);
            self.ready.push_back(Item { position: self.at(seq), line });
        }
        let instance = self.tail.instance;
        let items = batch.lines.into_iter();
        self.ready.extend(items.map(|(seq, line)| Item { position: Position { instance, seq }, line }));
        self.cursor = batch.cursor;
    }

    fn at(&self, seq: u64) -> Position {
        Position { instance: self.tail.instance, seq }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.tail.counters.clients.dec();
    }
}

fn lost_line(tail: &Tail, lost: u64) -> Bytes {
    let event = Event::Lost(Lost { lost, stage: arcstr::literal!("client") });
    let record = FlowRecord { time: Timestamp::now(), node: tail.node.clone(), event };
    let mut line = serde_json::to_vec(&record).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
