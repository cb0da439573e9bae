//! The room of one kind of record.

use std::collections::VecDeque;

use bytes::Bytes;
use jiff::Timestamp;

use crate::sink::tail::filter::Meta;

/// The memory of one record beside its line, in bytes.
const OVERHEAD: usize = size_of::<Entry>() + 32;

/// A record that is kept.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its place in the order of all kinds.
    pub(super) order: u64,
    pub(super) line: Bytes,
    pub(super) meta: Meta,
}

/// The bounds of a room. Both hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) records: usize,
    /// Memory, bytes, bookkeeping included.
    pub(super) bytes: usize,
}

/// The newest records of one kind. Each has a number, from 0 on.
#[derive(Debug)]
pub(super) struct Room {
    entries: VecDeque<Entry>,
    /// Number of the oldest entry.
    start: u64,
    /// The latest time of a record that gave way, or that stands for several.
    incomplete: Option<Timestamp>,
    bytes: usize,
    size: Size,
}

impl Room {
    pub(super) fn new(size: Size) -> Self {
        Self { entries: VecDeque::new(), start: 0, incomplete: None, bytes: 0, size }
    }

    /// Returns the number of the oldest record.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Returns the number of the next record.
    pub(super) fn end(&self) -> u64 {
        self.start + self.entries.len() as u64
    }

    /// Returns the record with this number, if it is kept.
    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.start)?).ok()?)
    }

    /// Returns the number of the first record of this time or later. Times are nearly but not quite in order.
    pub(super) fn since(&self, time: Timestamp) -> u64 {
        let skipped = self.entries.iter().take_while(|entry| entry.meta.time < time).count();
        self.start + skipped as u64
    }

    /// Returns the time after which each record is kept one by one: that of the latest one that gave way, or that stands for
    /// several.
    pub(super) fn incomplete(&self) -> Option<Timestamp> {
        self.incomplete
    }

    /// Adds a record; old ones give way. The newest one always stays.
    pub(super) fn push(&mut self, entry: Entry) {
        self.bytes += entry.line.len() + OVERHEAD;
        if entry.meta.is_merged {
            self.incomplete = self.incomplete.max(Some(entry.meta.time));
        }
        self.entries.push_back(entry);
        while self.entries.len() > 1 && self.is_too_large() {
            self.evict();
        }
    }

    fn is_too_large(&self) -> bool {
        self.entries.len() > self.size.records || self.bytes > self.size.bytes
    }

    fn evict(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.line.len() + OVERHEAD;
            self.start += 1;
            self.incomplete = self.incomplete.max(Some(entry.meta.time));
        }
    }
}
