//! Several streams of records into one, by time. No clock of its own.
//!
//! What an agent replays has been there all the time, so it is merged exactly: a record waits until every replaying
//! agent has passed it. What happens now arrives within about a second: it waits that long for older records of other
//! agents. An agent that says nothing is not waited for; what it says late comes late, and nothing is left out.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// How long a live record waits for older ones.
pub(super) const WINDOW: Duration = Duration::from_secs(1);
/// How far an agent's own records may be out of order.
pub(super) const SLACK: SignedDuration = SignedDuration::from_secs(1);
/// How long a replaying agent may be silent.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Names a stream.
pub(super) type Source = u64;

/// Records that wait for their turn.
#[derive(Debug)]
pub(super) struct Merge<T> {
    /// Records of one source that may wait. Full, a source is not waited for in order within [`SLACK`].
    capacity: usize,
    sources: BTreeMap<Source, State>,
    /// By time, then by arrival.
    waiting: BTreeMap<(Timestamp, u64), Waiting<T>>,
    /// When each has waited long enough.
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
    /// Time of its newest record.
    newest: Option<Timestamp>,
    heard: Instant,
    held: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Replaying,
    /// It was silent for too long: others go first until it speaks.
    Lagging,
    /// It is live, and what happened while it connected arrives by then.
    Settling(Instant),
    Live,
}

impl<T> Merge<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            sources: BTreeMap::new(),
            waiting: BTreeMap::new(),
            due: BTreeSet::new(),
            arrived: 0,
        }
    }

    /// A stream that begins with what has been.
    pub(super) fn join(&mut self, source: Source, now: Instant) {
        self.sources.insert(source, State { phase: Phase::Replaying, newest: None, heard: now, held: 0 });
    }

    /// All that has been has come; what comes now happens now.
    pub(super) fn live(&mut self, source: Source, now: Instant) {
        if let Some(state) = self.sources.get_mut(&source) {
            state.phase = Phase::Settling(now + WINDOW);
        }
    }

    /// It is not waited for until it speaks.
    pub(super) fn lag(&mut self, source: Source) {
        if let Some(state) = self.sources.get_mut(&source).filter(|state| state.phase == Phase::Replaying) {
            state.phase = Phase::Lagging;
        }
    }

    /// Nothing more comes; what is here stays.
    pub(super) fn leave(&mut self, source: Source) {
        self.sources.remove(&source);
    }

    /// Takes a record. Without a time of its own it goes after the one before it.
    pub(super) fn put(&mut self, source: Source, time: Option<Timestamp>, value: T, now: Instant) {
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

    /// The next record, if it may go now.
    pub(super) fn next(&mut self, now: Instant) -> Option<T> {
        let (&(time, _), _) = self.waiting.first_key_value()?;
        let (due, _) = self.due.first()?;
        // Whatever has waited long enough takes along all that is older.
        if *due > now || self.sources.values_mut().any(|state| state.holds_back(time, now, self.capacity)) {
            return None;
        }
        let ((_, arrival), Waiting { source, due, value }) = self.waiting.pop_first()?;
        self.due.remove(&(due, arrival));
        if let Some(state) = self.sources.get_mut(&source) {
            if state.held >= self.capacity {
                // It was silent because of us.
                state.heard = now;
            }
            state.held = state.held.saturating_sub(1);
        }
        Some(value)
    }

    /// Replaying streams that have just been silent for too long.
    pub(super) fn lagging(&mut self, now: Instant) -> Vec<Source> {
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

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl State {
    /// Whether something older than `time` may still come from here.
    fn holds_back(&mut self, time: Timestamp, now: Instant, capacity: usize) -> bool {
        if let Phase::Settling(until) = self.phase
            && until <= now
        {
            self.phase = Phase::Live;
        }
        match self.phase {
            Phase::Live | Phase::Lagging => false,
            // It can't say more until something goes.
            _ if self.held >= capacity => false,
            Phase::Replaying | Phase::Settling(_) => {
                self.newest.is_none_or(|newest| newest.duration_since(time) < SLACK)
            }
        }
    }
}
