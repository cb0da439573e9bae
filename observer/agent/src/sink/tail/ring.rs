//! The records kept, by sequence number.

use std::collections::VecDeque;

use bytes::Bytes;
use jiff::Timestamp;

use crate::sink::tail::filter::{Filter, Meta};

/// The memory of one record beside its line, in bytes.
const OVERHEAD: usize = size_of::<Entry>() + 32;
/// Records examined under one lock, so that a reader never holds it for long.
const SCAN: u64 = 512;
/// Records returned under one lock, which bounds the memory that a stalled reader keeps.
const BATCH: usize = 128;

#[derive(Debug)]
struct Entry {
    line: Bytes,
    meta: Meta,
}

#[derive(Debug)]
pub(super) struct Ring {
    entries: VecDeque<Entry>,
    /// Sequence number of the oldest entry. Numbers start at 1: 0 is "before everything".
    first: u64,
    bytes: usize,
    max_records: usize,
    max_bytes: usize,
}

/// The result of one read.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Records that were overwritten before this reader got to them.
    pub(super) lost: u64,
    pub(super) lines: Vec<(u64, Bytes)>,
    /// The position of the next read.
    pub(super) cursor: u64,
}

impl Ring {
    pub(super) fn new(max_records: usize, max_bytes: usize) -> Self {
        Self { entries: VecDeque::new(), first: 1, bytes: 0, max_records, max_bytes }
    }

    /// Returns the number of the next record.
    pub(super) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Adds a line, removes old ones, and returns the new [`Self::next`]. The newest line always stays.
    pub(super) fn push(&mut self, line: Bytes, meta: Meta) -> u64 {
        self.bytes += line.len() + OVERHEAD;
        self.entries.push_back(Entry { line, meta });
        while self.entries.len() > 1 && (self.entries.len() > self.max_records || self.bytes > self.max_bytes)
        {
            self.evict();
        }
        self.next()
    }

    fn evict(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.line.len() + OVERHEAD;
            self.first += 1;
        }
    }

    /// Returns the number of the oldest record.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Returns the number of the first record of this time or later. Times are nearly but not quite in order.
    pub(super) fn since(&self, time: Timestamp) -> u64 {
        let skipped = self.entries.iter().take_while(|e| e.meta.time < time).count();
        self.first + skipped as u64
    }

    /// Returns matching records from `cursor` on, up to `end` (exclusive).
    pub(super) fn read(&self, cursor: u64, end: u64, filter: &Filter) -> Batch {
        let from = cursor.max(self.first.min(end));
        let mut batch = Batch { lost: from - cursor.min(from), cursor: from, ..Batch::default() };
        let start = usize::try_from(from - self.first.min(from)).unwrap_or(usize::MAX);
        let count = usize::try_from(end.saturating_sub(from).min(SCAN)).unwrap_or(usize::MAX);
        for entry in self.entries.iter().skip(start).take(count) {
            if filter.matches(&entry.meta) {
                batch.lines.push((batch.cursor, entry.line.clone()));
            }
            batch.cursor += 1;
            if batch.lines.len() == BATCH {
                break;
            }
        }
        batch
    }
}
