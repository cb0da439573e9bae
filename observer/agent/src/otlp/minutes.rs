//! Established connections, counted by pair until their interval is over.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flow_model::decision::Decision;
use flow_model::flow::Vantage;
use flow_model::record::{Attempt, Endpoint, FlowVerdict};
use jiff::Timestamp;

use crate::otlp::id::server;

/// Pairs that are counted at a time. The connections of further ones are counted together.
const MAX_PAIRS: usize = 4_096;
/// The time after an interval for which its last records may come: those that stand for several are made twice a second.
const LATE: i64 = 3;

/// The connections of one pair in one interval.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Connections {
    /// The beginning of the interval.
    pub(super) begin: Timestamp,
    /// Its length in seconds.
    pub(super) seconds: i64,
    pub(super) vantage: Vantage,
    /// Both sides, with the client's port of the newest connection; `None` for the pairs beyond the bound.
    pub(super) sides: Option<(Endpoint, Endpoint)>,
    pub(super) verdict: Option<Arc<FlowVerdict>>,
    pub(super) count: u64,
    pub(super) retransmits: u64,
    /// The longest handshake, where one was measured.
    pub(super) slowest_us: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// The number of the interval since 1970.
    interval: i64,
    vantage: Vantage,
    /// `None` for the pairs beyond the bound.
    pair: Option<Pair>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pair {
    src: IpAddr,
    /// The address and the port that were addressed, and those of the server itself.
    dst: [(IpAddr, u16); 2],
    verdict: Option<Decision>,
}

/// Counts connections by pair and interval.
#[derive(Debug)]
pub(super) struct Minutes {
    seconds: i64,
    open: HashMap<Key, Connections>,
    max: usize,
}

impl Minutes {
    /// Counts by intervals of this length, at least a second.
    pub(super) fn new(interval: Duration) -> Self {
        let seconds = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX).max(1);
        Self { seconds, open: HashMap::new(), max: MAX_PAIRS }
    }

    /// Counts an established attempt.
    pub(super) fn add(&mut self, attempt: &Attempt, time: Timestamp) {
        let pair = Pair {
            src: attempt.src.ip,
            dst: [(attempt.dst.ip, attempt.dst.port), server(&attempt.dst)],
            verdict: attempt.verdict.as_ref().map(|verdict| verdict.decision),
        };
        let mut key = Key {
            interval: time.as_second().div_euclid(self.seconds),
            vantage: attempt.vantage,
            pair: Some(pair),
        };
        if self.open.len() >= self.max && !self.open.contains_key(&key) {
            key.pair = None;
        }
        let seconds = self.seconds;
        let entry = self.open.entry(key).or_insert_with(|| empty(&key, seconds, attempt));
        entry.count += attempt.count;
        entry.retransmits += u64::from(attempt.syn_retransmits);
        entry.slowest_us = entry.slowest_us.max(attempt.latency_us);
    }

    /// Returns the connections of the intervals that are over.
    pub(super) fn over(&mut self, now: Timestamp) -> Vec<Connections> {
        let current = (now.as_second() - LATE).div_euclid(self.seconds);
        self.open.extract_if(|key, _| key.interval < current).map(|(_, connections)| connections).collect()
    }

    /// Returns all connections that wait.
    pub(super) fn take(&mut self) -> Vec<Connections> {
        std::mem::take(&mut self.open).into_values().collect()
    }
}

fn empty(key: &Key, seconds: i64, attempt: &Attempt) -> Connections {
    let begin = key.interval.saturating_mul(seconds);
    let is_pair = key.pair.is_some();
    Connections {
        begin: Timestamp::from_second(begin).unwrap_or(Timestamp::UNIX_EPOCH),
        seconds,
        vantage: key.vantage,
        sides: is_pair.then(|| (attempt.src.clone(), attempt.dst.clone())),
        verdict: attempt.verdict.clone().filter(|_| is_pair),
        count: 0,
        retransmits: 0,
        slowest_us: None,
    }
}
