//! The SYNs of one server, and the flood that they are.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use flow_model::flow::Counts;
use flow_model::input::HalfOpen;
use jiff::{SignedDuration, Timestamp};

use crate::floods::config::FloodConfig;

/// A reading of the connection table is believed for this long: the next one may come a minute later.
const VALID: SignedDuration = SignedDuration::from_secs(75);

/// Counts SYNs, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// First SYNs, without repetitions.
    pub(super) first: i64,
    pub(super) repeated: i64,
    pub(super) answered: i64,
    /// Answers that the client took back by a RST.
    pub(super) given_up: i64,
}

/// Increments of one server, and who sent how many SYNs.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) sum: Sum,
    sources: BTreeMap<IpAddr, i64>,
}

/// The last seconds, one entry for each that has a SYN.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<(i64, Sum)>);

/// Watches one server.
#[derive(Debug, Default)]
pub(super) struct Server {
    window: Window,
    half_open: Option<(HalfOpen, Timestamp)>,
    sources: BTreeMap<IpAddr, u64>,
    /// SYNs of sources that found no room.
    others: u64,
    flood: Option<Flood>,
}

/// A flood that goes on.
#[derive(Debug)]
pub(super) struct Flood {
    /// The last time at which it was one.
    newest: Timestamp,
    /// The most SYNs in the window that became no connection.
    pub(super) peak: i64,
    /// The most handshakes that were half open at once.
    pub(super) half_open: u64,
    /// The most sources that sent one or two SYNs each, while nearly all did.
    pub(super) fleeting: usize,
    /// SYNs since it began.
    count: u64,
}

impl Sum {
    /// Returns how many SYNs became no connection, as far as that shows by now. It may be less than zero.
    pub(super) fn missing(&self) -> i64 {
        let unanswered = self.first.saturating_sub(self.answered).saturating_sub(self.repeated);
        unanswered.saturating_add(self.given_up).min(self.first)
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            first: self.first.saturating_add(other.first),
            repeated: self.repeated.saturating_add(other.repeated),
            answered: self.answered.saturating_add(other.answered),
            given_up: self.given_up.saturating_add(other.given_up),
        }
    }
}

impl Batch {
    pub(super) fn add(&mut self, src: IpAddr, counts: &Counts) {
        self.add_counts(counts);
        let sent = self.sources.entry(src).or_default();
        *sent = sent.saturating_add(counts.syn.saturating_sub(counts.syn_retransmits));
    }

    pub(super) fn add_counts(&mut self, counts: &Counts) {
        let Counts { syn, syn_retransmits, rst: [[given_up, ..], _], outcomes } = *counts;
        let [established, refused, rejected, _unanswered] = outcomes;
        self.sum = self.sum.plus(&Sum {
            first: syn.saturating_sub(syn_retransmits),
            repeated: syn_retransmits,
            answered: established.saturating_add(refused).saturating_add(rejected),
            given_up,
        });
    }
}

impl Window {
    pub(super) fn add(&mut self, sum: &Sum, now: Timestamp) {
        let second = now.as_second();
        // Both bounds, because the clock may have been set.
        let kept = FloodConfig::WINDOW + 2 * FloodConfig::SETTLE;
        self.0.retain(|(at, _)| (second - kept..=second).contains(at));
        match self.0.back_mut() {
            Some((at, known)) if *at == second => *known = known.plus(sum),
            _ => self.0.push_back((second, *sum)),
        }
    }

    /// Returns the sum of the window that ended `settle` seconds ago, with all later repetitions.
    fn sum(&self, now: Timestamp) -> Sum {
        let newest = now.as_second() - FloodConfig::SETTLE;
        let oldest = newest - FloodConfig::WINDOW;
        let mut sum = Sum::default();
        for (at, of) in self.0.iter().filter(|(at, _)| *at > oldest) {
            let later = Sum { repeated: of.repeated, ..Sum::default() };
            sum = sum.plus(if *at <= newest { of } else { &later });
        }
        sum
    }
}

impl Server {
    pub(super) fn add(&mut self, batch: &Batch, now: Timestamp, config: &FloodConfig) {
        self.window.add(&batch.sum, now);
        for (src, sent) in &batch.sources {
            let sent = u64::try_from(*sent).unwrap_or(0);
            if let Some(known) = self.sources.get_mut(src) {
                *known = known.saturating_add(sent);
            } else if self.sources.len() < config.max_sources {
                self.sources.insert(*src, sent);
            } else {
                self.others = self.others.saturating_add(sent);
            }
        }
        if let Some(flood) = &mut self.flood {
            flood.count = flood.count.saturating_add(u64::try_from(batch.sum.first).unwrap_or(0));
        }
    }

    pub(super) fn set_half_open(&mut self, half_open: Option<HalfOpen>, now: Timestamp) {
        self.half_open = half_open.map(|half_open| (half_open, now));
    }

    /// Decides whether it is a flood now. Returns true if a flood has ended.
    pub(super) fn judge(&mut self, elsewhere: &Window, config: &FloodConfig, now: Timestamp) -> bool {
        let missing = self.window.sum(now).missing().saturating_sub(elsewhere.sum(now).answered.max(0));
        let valid = |(_, at): &&(HalfOpen, Timestamp)| now.duration_since(*at).abs() <= VALID;
        let half_open = self.half_open.as_ref().filter(valid).map_or(0, |(half_open, _)| half_open.count);
        let floor = config.floor();
        if missing >= floor || i64::try_from(half_open).unwrap_or(i64::MAX) >= floor {
            let first = Flood {
                newest: now,
                peak: 0,
                half_open: 0,
                fleeting: 0,
                count: half_open.max(u64::try_from(missing).unwrap_or(0)),
            };
            let fleeting = self.fleeting();
            let flood = self.flood.get_or_insert(first);
            flood.fleeting = flood.fleeting.max(fleeting);
            flood.newest = now;
            flood.peak = flood.peak.max(missing);
            flood.half_open = flood.half_open.max(half_open);
            return false;
        }
        let over = |flood: &Flood| now.duration_since(flood.newest).abs() >= config.quiet;
        let ended = self.flood.take_if(|flood| over(flood)).is_some();
        // Clients of a server that is not flooded are no sources of a flood.
        if self.flood.is_none() && missing < floor / 4 {
            self.sources.clear();
            self.others = 0;
        }
        ended
    }

    pub(super) fn flood(&self) -> Option<&Flood> {
        self.flood.as_ref()
    }

    pub(super) fn newest(&self, now: Timestamp) -> Timestamp {
        self.flood.as_ref().map_or(now, |flood| flood.newest)
    }

    pub(super) fn count(&self) -> u64 {
        self.flood.as_ref().map_or(0, |flood| flood.count)
    }

    /// Returns how many sources are told apart, and the SYNs of all others.
    pub(super) fn sources(&self) -> (usize, u64) {
        (self.sources.len(), self.others)
    }

    /// Returns how many sources sent one or two SYNs, if nine of ten did.
    fn fleeting(&self) -> usize {
        let fleeting = self.sources.values().filter(|sent| **sent <= 2).count();
        if fleeting * 10 >= self.sources.len() * 9 { fleeting } else { 0 }
    }

    /// Returns the source that sent the most SYNs, of the sources told apart, else one of the half-open connections.
    pub(super) fn busiest(&self) -> Option<IpAddr> {
        let most = self.sources.iter().max_by_key(|(_, sent)| **sent).map(|(ip, _)| *ip);
        most.or_else(|| self.half_open.as_ref().map(|(half_open, _)| half_open.src))
    }

    pub(super) fn half_open(&self) -> Option<&HalfOpen> {
        self.half_open.as_ref().map(|(half_open, _)| half_open)
    }
}
