//! The node's open connections, and which of them the current policies would refuse.
//!
//! Policies are enforced only when a connection opens. A connection that was admitted goes on when the rule that
//! admitted it is removed, and the refusal comes with the next restart, maybe days later. [`Connections`] judges it
//! again meanwhile.

mod assess;
mod groups;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::connection::MAX_CONNECTIONS;
use flow_model::decision::Decision;
use flow_model::flow::FlowTuple;
use flow_model::input::OpenConnection;
use flow_model::output::LatentCount;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use self::groups::{Groups, Pair, Tally};
use crate::facts::LatentGroup;

pub use self::assess::Assess;

/// Everything is judged again after this long, whether or not a change was seen.
const REJUDGE: SignedDuration = SignedDuration::from_secs(60);
/// Mismatches that wait until the connection table reports them as open.
const MAX_MISMATCHES: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// The connection table is read at least once a minute. A mismatch that it did not report by then was over before that,
/// and the tuple may come again as another connection.
const MISMATCH_WAITS: SignedDuration = SignedDuration::from_mins(2);

/// The table of open connections.
#[derive(Debug)]
pub struct Connections {
    open: HashMap<Key, Open>,
    /// Connections that were established although denied, and are not yet reported as open.
    mismatches: LruCache<Key, Timestamp>,
    groups: Groups,
    judged: Option<Timestamp>,
    /// Something changed since the table was read last. What was open then may have closed before the change.
    changed: bool,
    /// All have to be judged again.
    stale: bool,
    /// Some opened or closed.
    moved: bool,
    left_out: u64,
}

/// Identifies a connection. The backend is no part of it: an attempt may have been seen before DNAT only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    src: IpAddr,
    sport: u16,
    dst: IpAddr,
    dport: u16,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    backend: Option<(IpAddr, u16)>,
    seen: Timestamp,
    older: bool,
    /// Established although denied: it was never allowed.
    mismatch: bool,
    decision: Option<Decision>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            mismatches: LruCache::new(MAX_MISMATCHES),
            groups: Groups::default(),
            judged: None,
            changed: false,
            stale: false,
            moved: false,
            left_out: 0,
        }
    }
}

impl Connections {
    /// Takes an [`Input::Connections`](flow_model::input::Input::Connections): the table was read.
    pub fn apply(&mut self, opened: &[OpenConnection], closed: &[FlowTuple]) {
        self.stale |= std::mem::take(&mut self.changed);
        for tuple in closed {
            self.close(tuple);
        }
        for connection in opened {
            self.add(connection);
        }
    }

    /// Notes that policies, labels, namespaces or pods changed: everything is judged again once the table was read.
    pub fn changed(&mut self) {
        self.changed = true;
    }

    /// Notes that a connection was established although the policies denied it then: an enforcement mismatch, not a
    /// latent denial. That is forgotten when it closes, and when a later policy allows it.
    pub fn not_latent(&mut self, tuple: &FlowTuple, now: Timestamp) {
        let key = Key::of(tuple);
        match self.open.get_mut(&key) {
            Some(open) => {
                open.mismatch = open.decision != Some(Decision::Allow);
                self.moved = true;
            }
            None => {
                self.mismatches.put(key, now);
            }
        }
    }

    /// Is true when [`Connections::judge`] has something to do.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> bool {
        self.moved || self.all_due(now)
    }

    /// Judges what opened since the last time, or everything after a change and once a minute. Returns all groups that
    /// would be refused, not only new ones.
    pub fn judge(&mut self, assess: &mut dyn Assess, now: Timestamp) -> Vec<LatentGroup> {
        let all = self.all_due(now);
        if all {
            self.groups.forget();
            self.judged = Some(now);
        }
        self.stale = false;
        let mut denied: HashMap<Pair, Tally> = HashMap::new();
        for (key, open) in &mut self.open {
            let tuple = key.tuple(open.backend);
            if all || open.decision.is_none() {
                open.judge(&tuple, assess);
            }
            if open.is_latent() {
                denied.entry(Pair::of(&tuple)).or_default().add(open.seen, tuple, open.older);
            }
        }
        let groups = self.groups.build(denied, assess);
        self.moved = self.groups.unexplained();
        groups
    }

    /// Returns all connections, grouped by everything but the client's port: an example, when the oldest was first
    /// seen, and how many there are.
    #[must_use]
    pub fn by_pair(&self) -> Vec<(FlowTuple, Timestamp, u64)> {
        let mut pairs: HashMap<Pair, (FlowTuple, Timestamp, u64)> = HashMap::new();
        for (key, open) in &self.open {
            let tuple = key.tuple(open.backend);
            let (_, since, count) = pairs.entry(Pair::of(&tuple)).or_insert((tuple, open.seen, 0));
            *since = open.seen.min(*since);
            *count += 1;
        }
        pairs.into_values().collect()
    }

    /// Returns how many connections each policy would refuse, as judged last.
    #[must_use]
    pub fn counts(&self) -> Vec<LatentCount> {
        self.groups.counts()
    }

    /// Returns how many connections are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Is true when no connection is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns how many connections found no room in the table since the last call. They are not judged.
    pub fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }

    fn all_due(&self, now: Timestamp) -> bool {
        let waited = |judged| now.duration_since(judged) >= REJUDGE;
        !self.open.is_empty() && (self.stale || self.judged.is_none_or(waited))
    }

    fn add(&mut self, connection: &OpenConnection) {
        let key = Key::of(&connection.tuple);
        let known = self.open.get(&key);
        if known.is_some_and(|open| open.backend == connection.tuple.backend) {
            return;
        }
        if known.is_none() && self.open.len() >= MAX_CONNECTIONS {
            self.left_out += 1;
            return;
        }
        let denied_then = self.mismatches.pop(&key);
        let mismatch = denied_then.is_some_and(|at| connection.seen.duration_since(at) <= MISMATCH_WAITS);
        let OpenConnection { tuple, seen, older } = *connection;
        self.open.insert(key, Open { backend: tuple.backend, seen, older, mismatch, decision: None });
        self.moved = true;
    }

    fn close(&mut self, tuple: &FlowTuple) {
        let key = Key::of(tuple);
        // The tuple may have been used again, for another backend, before its end is reported.
        if self.open.get(&key).is_some_and(|open| open.backend == tuple.backend) {
            self.open.remove(&key);
            self.moved = true;
        }
    }
}

impl Open {
    fn judge(&mut self, tuple: &FlowTuple, assess: &mut dyn Assess) {
        let decision = assess.decide(tuple);
        self.mismatch &= decision != Decision::Allow;
        self.decision = Some(decision);
    }

    fn is_latent(&self) -> bool {
        self.decision == Some(Decision::Deny) && !self.mismatch
    }
}

impl Key {
    fn of(tuple: &FlowTuple) -> Self {
        let &FlowTuple { src, sport, dst, dport, .. } = tuple;
        Self { src, sport, dst, dport }
    }

    fn tuple(self, backend: Option<(IpAddr, u16)>) -> FlowTuple {
        let Self { src, sport, dst, dport } = self;
        FlowTuple { src, sport, dst, dport, backend }
    }
}
