//! Encoded records that wait to be sent: bounded by bytes, and so by number.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::sink::metrics::{OtlpCounters, OtlpResult};

/// What a record costs beside its own bytes.
const OVERHEAD: usize = 64;
/// The largest batch. Log engines accept requests of several megabytes.
pub(super) const BATCH_BYTES: usize = 256 << 10;
/// The time that the first record of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// The part of the room that rare records have for themselves.
const RARE: usize = 8;

/// How often records of a kind come. Frequent ones never push out rare ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Findings, changes of policies, claims of VIPs.
    Rare,
    /// Attempts, connections, resets and drops.
    Frequent,
}

/// The records of both lanes.
#[derive(Debug)]
struct Queue {
    rare: Room,
    frequent: Room,
    /// Nobody sends any more.
    closed: bool,
    /// Nothing will be added any more.
    complete: bool,
}

#[derive(Debug)]
struct Room {
    records: VecDeque<Vec<u8>>,
    bytes: usize,
    limit: usize,
}

/// The queue between the two tasks.
#[derive(Debug)]
pub(super) struct Waiting {
    queue: Mutex<Queue>,
    /// There are records, or nothing will be added any more.
    some: Notify,
    /// There are records for a whole batch.
    enough: Notify,
    pub(super) counters: OtlpCounters,
}

impl Waiting {
    /// Returns an empty queue for this number of bytes.
    pub(super) fn new(bytes: usize, counters: OtlpCounters) -> Self {
        counters.limit_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        let rare = Room::new(bytes / RARE);
        let frequent = Room::new(bytes - bytes / RARE);
        let queue = Mutex::new(Queue { rare, frequent, closed: false, complete: false });
        Self { queue, some: Notify::new(), enough: Notify::new(), counters }
    }

    /// Adds a record, or counts it as lost.
    pub(super) fn push(&self, lane: Lane, record: Vec<u8>) {
        let mut queue = self.queue.lock();
        if queue.closed {
            return self.counters.count(OtlpResult::Shutdown, 1);
        }
        let room = match lane {
            Lane::Rare => &mut queue.rare,
            Lane::Frequent => &mut queue.frequent,
        };
        if !room.push(record) {
            return self.counters.count(OtlpResult::QueueFull, 1);
        }
        let bytes = self.publish(&queue);
        drop(queue);
        self.some.notify_one();
        if bytes >= BATCH_BYTES {
            self.enough.notify_one();
        }
    }

    /// Notes that nothing will be added any more.
    pub(super) fn complete(&self) {
        self.queue.lock().complete = true;
        self.some.notify_one();
        self.enough.notify_one();
    }

    /// Waits for a batch. Returns `None` when there will be none.
    pub(super) async fn batch(&self) -> Option<Vec<Vec<u8>>> {
        loop {
            let (bytes, complete) = {
                let queue = self.queue.lock();
                (queue.rare.bytes + queue.frequent.bytes, queue.complete)
            };
            match (bytes, complete) {
                (0, true) => return None,
                (0, false) => self.some.notified().await,
                (BATCH_BYTES.., _) | (_, true) => return Some(self.take()),
                (_, false) => {
                    // The batch is full, nothing will be added, or the time is over.
                    tokio::time::timeout(LINGER, self.enough.notified()).await.ok();
                    return Some(self.take());
                }
            }
        }
    }

    /// Removes a batch, rare records first.
    fn take(&self) -> Vec<Vec<u8>> {
        let mut queue = self.queue.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let Queue { rare, frequent, .. } = &mut *queue;
        for room in [rare, frequent] {
            while bytes < BATCH_BYTES
                && let Some(record) = room.pop()
            {
                bytes += record.len();
                batch.push(record);
            }
        }
        self.publish(&queue);
        batch
    }

    /// Gives up all that waits, and all that comes later. Returns the number of records that waited.
    pub(super) fn close(&self) -> usize {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let Queue { rare, frequent, .. } = &mut *queue;
        let waiting = rare.records.len() + frequent.records.len();
        (*rare, *frequent) = (Room::new(0), Room::new(0));
        self.publish(&queue);
        waiting
    }

    /// Publishes the size, and returns it.
    fn publish(&self, queue: &Queue) -> usize {
        let bytes = queue.rare.bytes + queue.frequent.bytes;
        self.counters.queue_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        bytes
    }
}

impl Room {
    fn new(limit: usize) -> Self {
        Self { records: VecDeque::new(), bytes: 0, limit }
    }

    /// Adds a record unless it doesn't fit. The oldest ones stay: the beginning of an outage explains most.
    fn push(&mut self, record: Vec<u8>) -> bool {
        let bytes = self.bytes + record.len() + OVERHEAD;
        if bytes > self.limit {
            return false;
        }
        self.bytes = bytes;
        self.records.push_back(record);
        true
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let record = self.records.pop_front()?;
        self.bytes -= record.len() + OVERHEAD;
        Some(record)
    }
}
