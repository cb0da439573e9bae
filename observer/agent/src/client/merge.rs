//! Merges several streams of records into one, ordered by time. It has no clock of its own.
//!
//! Replayed records exist before the merge begins, so they are merged exactly: a record waits until every replaying agent
//! has passed its time. Live records arrive within about a second, so each waits that long for older records of other
//! agents. Silent agents don't hold up the others. Their late records are printed late; none is left out.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// The time for which a live record waits for older ones.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);
/// The time by which records of one agent may be out of order.
pub(crate) const SLACK: SignedDuration = SignedDuration::from_secs(1);
/// The longest time that a replaying agent may be silent before the others go on without it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Identifies a stream.
pub(crate) type Source = u64;

/// Holds the records that wait for their turn.
#[derive(Debug)]
pub(crate) struct Merge<T> {
    /// The number of records of one source that may wait. A source at this limit holds nothing back, not even within
    /// [`SLACK`].
    capacity: usize,
    sources: BTreeMap<Source, State>,
    /// The waiting records, ordered by time, then by arrival.
    waiting: BTreeMap<(Timestamp, u64), Waiting<T>>,
    /// The moment at which each record has waited long enough.
    due: BTreeSet<(Instant, u64)>,
    arrived: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    source: Source,
    due: Instant,
    value: T,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The time of its newest record.
    newest: Option<Timestamp>,
    /// The time at which its last record arrived.
    heard: Instant,
    /// The number of its records that wait.
    held: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Replaying,
    /// It was silent for too long: the others go first until its next record.
    Lagging,
    /// It is live. Records from before it was connected arrive until then.
    Settling(Instant),
    Live,
}

impl<T> Merge<T> {
    /// Returns a merge without sources. `capacity` bounds the waiting records of each source.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            sources: BTreeMap::new(),
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            arrived: 0,
        }
    }

    /// Adds a stream that begins with a replay.
    pub(crate) fn join(&mut self, source: Source, now: Instant) {
        self.sources.insert(source, State { phase: Phase::Replaying, newest: None, heard: now, held: 0 });
    }

    /// Marks the end of a stream's replay: its next records are live.
    pub(crate) fn live(&mut self, source: Source, now: Instant) {
        if let Some(state) = self.sources.get_mut(&source) {
            state.phase = Phase::Settling(now + WINDOW);
        }
    }

    /// Stops waiting for a stream until its next record.
    pub(crate) fn lag(&mut self, source: Source) {
        if let Some(state) = self.sources.get_mut(&source).filter(|state| state.phase == Phase::Replaying) {
            state.phase = Phase::Lagging;
        }
    }

    /// Removes a stream. Its waiting records stay.
    pub(crate) fn leave(&mut self, source: Source) {
        self.sources.remove(&source);
    }

    /// Takes a record. One without a time is put after the previous record of its stream.
    pub(crate) fn put(&mut self, source: Source, time: Option<Timestamp>, value: T, now: Instant) {
        let mut due = now;
        let mut newest = None;
        if let Some(state) = self.sources.get_mut(&source) {
            match state.phase {
                Phase::Replaying => {}
                Phase::Lagging => state.phase = Phase::Replaying,
                Phase::Settling(_) | Phase::Live => due += WINDOW,
            }
            state.newest = state.newest.max(time);
            (state.heard, state.held) = (now, state.held + 1);
            newest = state.newest;
        }
        let time = time.or(newest).unwrap_or(Timestamp::MIN);
        self.arrived += 1;
        self.waiting.insert((time, self.arrived), Waiting { source, due, value });
        self.due.insert((due, self.arrived));
    }

    /// Returns the next record, if it has waited long enough.
    pub(crate) fn next(&mut self, now: Instant) -> Option<T> {
        let (&(time, _), _) = self.waiting.first_key_value()?;
        let (due, _) = self.due.first()?;
        // A record that has waited long enough releases all older ones, too.
        if *due > now || self.sources.values_mut().any(|state| state.holds_back(time, now, self.capacity)) {
            return None;
        }
        let ((_, arrival), Waiting { source, due, value }) = self.waiting.pop_first()?;
        self.due.remove(&(due, arrival));
        if let Some(state) = self.sources.get_mut(&source) {
            if state.held >= self.capacity {
                // It was silent because it was not read.
                state.heard = now;
            }
            state.held = state.held.saturating_sub(1);
        }
        Some(value)
    }

    /// Returns the replaying streams that have just become silent for too long.
    pub(crate) fn lagging(&mut self, now: Instant) -> Vec<Source> {
        let capacity = self.capacity;
        let late = |state: &State| {
            let silent = now.saturating_duration_since(state.heard) >= PATIENCE;
            state.phase == Phase::Replaying && silent && state.held < capacity
        };
        let late = self.sources.iter_mut().filter(|(_, state)| late(state));
        late.map(|(source, state)| {
            state.phase = Phase::Lagging;
            *source
        })
        .collect()
    }

    /// Returns true when no record waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl State {
    /// Returns true when a record older than `time` may still arrive from this stream.
    fn holds_back(&mut self, time: Timestamp, now: Instant, capacity: usize) -> bool {
        if let Phase::Settling(until) = self.phase
            && until <= now
        {
            self.phase = Phase::Live;
        }
        match self.phase {
            Phase::Live | Phase::Lagging => false,
            // It is not read until one of its records leaves.
            _ if self.held >= capacity => false,
            Phase::Replaying | Phase::Settling(_) => {
                self.newest.is_none_or(|newest| newest.duration_since(time) < SLACK)
            }
        }
    }
}
