//! The node's open connections, and which of them today's policies would refuse.
//!
//! A policy is asked only when a connection opens: one that was admitted lives on when the rule that admitted it goes,
//! and the refusal comes with the next restart, maybe days later. [`Connections`] asks again meanwhile.

mod groups;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::decision::Decision;
use flow_model::flow::FlowTuple;
use flow_model::input::OpenConnection;
use flow_model::output::LatentCount;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use self::groups::{Groups, Pair, Tally};
use crate::facts::{JudgedConnection, LatentGroup};

/// Connections kept; further ones are counted and not judged.
pub const MAX_CONNECTIONS: usize = 262_144;
/// Everything is judged again after this long, whether or not a change was seen.
const REJUDGE: SignedDuration = SignedDuration::from_secs(60);
/// Mismatches that wait for the table to tell them open.
const MAX_MISMATCHES: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// The table is read at least once a minute. A mismatch that it did not tell by then was over before; the tuple may
/// come again as another connection.
const MISMATCH_WAITS: SignedDuration = SignedDuration::from_mins(2);

/// Who judges, in steps, so that an allowed connection costs no more than its decision.
pub trait Judge {
    /// Asked for each connection, whenever it must be judged anew.
    fn decide(&mut self, tuple: &FlowTuple) -> Decision;

    /// Who is concerned, and why it would be refused. Asked once for those denied connections that differ in the client's
    /// port only. `None`: nobody that can be named; they are left out.
    fn detail(&mut self, tuple: &FlowTuple) -> Option<JudgedConnection>;

    /// What brought it about. Asked once per group and set of policies, for a few groups in each round.
    fn cause(&mut self, tuple: &FlowTuple, judged: &JudgedConnection) -> Option<String>;
}

/// The table of open connections.
#[derive(Debug)]
pub struct Connections {
    open: HashMap<Key, Open>,
    /// Established although denied, and not yet told open.
    mismatches: LruCache<Key, Timestamp>,
    groups: Groups,
    judged: Option<Timestamp>,
    /// All must be judged anew.
    stale: bool,
    /// Some came or went.
    moved: bool,
    left_out: u64,
}

/// What tells connections apart. The backend does not: an attempt may have been seen before DNAT only.
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
            stale: false,
            moved: false,
            left_out: 0,
        }
    }
}

impl Connections {
    /// Takes what [`Input::Connections`](flow_model::input::Input::Connections) tells.
    pub fn apply(&mut self, opened: &[OpenConnection], closed: &[FlowTuple]) {
        for tuple in closed {
            self.close(tuple);
        }
        for connection in opened {
            self.add(connection);
        }
    }

    /// Policies, labels, namespaces or pods are not what they were: the next [`Connections::judge`] judges all anew.
    pub fn changed(&mut self) {
        self.stale = true;
    }

    /// Established although the policies denied it then: an enforcement mismatch, not a latent denial. Forgotten when it
    /// closes, and when a later policy allows it.
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

    /// Whether [`Connections::judge`] has something to do.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> bool {
        self.moved || self.all_due(now)
    }

    /// Judges what came since the last time, or everything after a change and once a minute. Answers with all groups
    /// that would be refused, not only with new ones.
    pub fn judge(&mut self, judge: &mut dyn Judge, now: Timestamp) -> Vec<LatentGroup> {
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
                open.judge(&tuple, judge);
            }
            if open.is_latent() {
                denied.entry(Pair::of(&tuple)).or_default().add(open.seen, tuple, open.older);
            }
        }
        let groups = self.groups.build(denied, judge);
        self.moved = self.groups.unexplained();
        groups
    }

    /// All connections by what they have in common, the client's port aside: an example, when the oldest was first
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

    /// How many connections each policy would refuse, as judged last.
    #[must_use]
    pub fn counts(&self) -> Vec<LatentCount> {
        self.groups.counts()
    }

    /// Connections known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Connections that found no room, since the start.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
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
        // The tuple may have been used again, for another backend, before its end is told.
        if self.open.get(&key).is_some_and(|open| open.backend == tuple.backend) {
            self.open.remove(&key);
            self.moved = true;
        }
    }
}

impl Open {
    fn judge(&mut self, tuple: &FlowTuple, judge: &mut dyn Judge) {
        let decision = judge.decide(tuple);
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
