//! The records kept: a room for each kind, and one order for all.

use std::ops::{Index, IndexMut};

use bytes::Bytes;
use flow_model::record::Kind;
use jiff::Timestamp;
use strum::VariantArray;

use crate::sink::tail::filter::{Filter, Meta};
use crate::sink::tail::room::{Entry, Room, Size};

/// Number of kinds, and so of rooms.
const KINDS: usize = Kind::VARIANTS.len();
/// Records examined under one lock, so that a reader never holds it for long.
const SCAN: usize = 512;
/// Records returned under one lock, which bounds the memory that a stalled reader keeps.
const BATCH: usize = 128;

/// The rooms. Records have one order, by arrival, which every reader sees.
#[derive(Debug)]
pub(super) struct Ring {
    rooms: [Room; KINDS],
    /// Number of records that have arrived.
    arrived: u64,
}

/// A reader's place: how many records of each kind are behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor(pub(super) [u64; KINDS]);

/// The result of one read.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The number of records that gave way before this reader got to them, and the place after them.
    pub(super) lost: Option<(Cursor, u64)>,
    /// The lines that match, each with the place after it.
    pub(super) lines: Vec<(Cursor, Bytes)>,
    /// The place of the next read.
    pub(super) cursor: Cursor,
}

impl Ring {
    /// Returns empty rooms of these sizes.
    pub(super) fn new(size: impl Fn(Kind) -> Size) -> Self {
        Self { rooms: std::array::from_fn(|kind| Room::new(size(Kind::VARIANTS[kind]))), arrived: 0 }
    }

    /// Returns the number of records of a kind.
    pub(super) fn len(&self, kind: Kind) -> usize {
        let room = &self.rooms[kind as usize];
        usize::try_from(room.end() - room.start()).unwrap_or(usize::MAX)
    }

    /// Returns the place after the newest record.
    pub(super) fn end(&self) -> Cursor {
        self.each(Room::end)
    }

    /// Returns the place before the oldest record that is kept.
    pub(super) fn start(&self) -> Cursor {
        self.each(Room::start)
    }

    /// Returns the place before the first record of each kind of this time or later.
    pub(super) fn since(&self, time: Timestamp) -> Cursor {
        self.each(|room| room.since(time))
    }

    /// Returns the time after which no record of this kind is missing, if some gave way or stand for several.
    pub(super) fn incomplete(&self, kind: Kind) -> Option<Timestamp> {
        self.rooms[kind as usize].incomplete()
    }

    fn each(&self, place: impl Fn(&Room) -> u64) -> Cursor {
        Cursor(self.rooms.each_ref().map(place))
    }

    /// Adds a line, and returns how many have arrived. Old lines of its kind give way; those of other kinds stay.
    pub(super) fn push(&mut self, line: Bytes, meta: Meta) -> u64 {
        let room = &mut self.rooms[meta.kind as usize];
        room.push(Entry { order: self.arrived, line, meta });
        self.arrived += 1;
        self.arrived
    }

    /// Returns matching records from `cursor` on, in the order in which they arrived, up to `end`.
    pub(super) fn read(&self, cursor: Cursor, end: Option<Cursor>, filter: &Filter) -> Batch {
        let end = end.unwrap_or_else(|| self.end());
        let (mut at, lost) = self.skip(cursor, end, filter);
        let lost = (lost > 0).then_some((at, lost));
        let mut lines = Vec::new();
        for _ in 0..SCAN {
            let Some((kind, entry)) = self.next(at, end) else { break };
            at[kind] += 1;
            if filter.matches(&entry.meta) {
                lines.push((at, entry.line.clone()));
            }
            if lines.len() == BATCH {
                break;
            }
        }
        Batch { lost, lines, cursor: at }
    }

    /// Moves the cursor past the kinds that the filter leaves out, and past the records that gave way. Returns the number
    /// of these.
    fn skip(&self, mut at: Cursor, end: Cursor, filter: &Filter) -> (Cursor, u64) {
        let mut lost = 0;
        for (kind, room) in Kind::VARIANTS.iter().zip(&self.rooms) {
            let (place, end) = (&mut at[*kind], end[*kind]);
            if filter.selects(*kind) {
                let kept = room.start().min(end).max(*place);
                lost += kept - *place;
                *place = kept;
            } else {
                *place = end.max(*place);
            }
        }
        (at, lost)
    }

    /// Returns the record that arrived first among those between two places.
    fn next(&self, at: Cursor, end: Cursor) -> Option<(Kind, &Entry)> {
        let waiting = Kind::VARIANTS.iter().zip(&self.rooms).filter(|(kind, _)| at[**kind] < end[**kind]);
        let first = waiting.filter_map(|(kind, room)| Some((*kind, room.get(at[*kind])?)));
        first.min_by_key(|(_, entry)| entry.order)
    }
}

impl Index<Kind> for Cursor {
    type Output = u64;

    fn index(&self, kind: Kind) -> &u64 {
        &self.0[kind as usize]
    }
}

impl IndexMut<Kind> for Cursor {
    fn index_mut(&mut self, kind: Kind) -> &mut u64 {
        &mut self.0[kind as usize]
    }
}

impl Cursor {
    /// Returns the place that has passed what either has passed.
    #[cfg(test)]
    pub(super) fn max(self, other: Self) -> Self {
        let mut most = self;
        most.0.iter_mut().zip(other.0).for_each(|(place, other)| *place = (*place).max(other));
        most
    }

    /// Returns the place that is not beyond `end` for any kind.
    pub(super) fn min(self, end: Self) -> Self {
        let mut least = self;
        least.0.iter_mut().zip(end.0).for_each(|(place, end)| *place = (*place).min(end));
        least
    }
}
