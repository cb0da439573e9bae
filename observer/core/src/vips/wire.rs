//! The hosts that claim one VIP on the wire.

use std::collections::VecDeque;

use flow_model::input::{Announced, AnnouncementSeen};
use flow_model::mac::Mac;
use flow_model::vip::Claim;
use jiff::{SignedDuration, Timestamp};

use crate::vips::config::VipConfig;

/// Changes of claimant looked at for interleaving.
const TURNS: usize = 32;

/// The claims of one VIP.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// Oldest first; the last is the current one.
    claims: VecDeque<Claim>,
    /// The current host announced the address to everybody, rather than answering a single question.
    announced: bool,
    pub(super) moves: u64,
    /// The times at which hosts took the address over. Of one host there is at most one within the time of late frames.
    turns: VecDeque<(Timestamp, Mac)>,
    interleaved: Option<Contest>,
    answers: Option<Contest>,
}

/// Two hosts that both claim the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contest {
    /// Sorted where they take turns. Otherwise the host that still answers, then the one that announced the address.
    pub(super) hosts: [Mac; 2],
    pub(super) since: Timestamp,
    pub(super) last: Timestamp,
}

/// The effect of a claim on what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimChange {
    First,
    Same,
    Moved {
        from: Mac,
    },
    /// Another interface of the node whose own address this is.
    Replaced,
}

impl Wire {
    pub(super) fn claim(&self) -> Option<&Claim> {
        self.claims.back()
    }

    /// Returns the claim that the current host announced. One that only connections show contradicts nobody: a client with
    /// an old neighbour entry sends to the former holder, and behind a router each of several nodes may receive some.
    pub(super) fn announced(&self) -> Option<&Claim> {
        self.claim().filter(|claim| !claim.received)
    }

    pub(super) fn claims(&self) -> &VecDeque<Claim> {
        &self.claims
    }

    pub(super) fn claims_mut(&mut self) -> impl Iterator<Item = &mut Claim> {
        self.claims.iter_mut()
    }

    /// Takes a claim. `claim` is the same, with its node. `at_home` is true where the address is the host's own.
    pub(super) fn claimed(
        &mut self,
        seen: &AnnouncementSeen,
        claim: Claim,
        at_home: impl Fn(&Claim) -> bool,
        config: &VipConfig,
    ) -> ClaimChange {
        let to_all = seen.how != Announced::Arp;
        if to_all {
            self.answers.take_if(|contest| contest.hosts[0] == seen.mac);
        }
        let Some(current) = self.claims.back_mut() else {
            self.announced = to_all;
            self.claims.push_back(claim);
            return ClaimChange::First;
        };
        // Nobody had announced the address, so it is not known to have moved.
        if current.received {
            self.announced = to_all;
            *current = claim;
            return ClaimChange::First;
        }
        if current.mac == seen.mac {
            self.announced |= to_all;
            current.last_seen = current.last_seen.max(seen.time);
            return ClaimChange::Same;
        }
        if at_home(current) && at_home(&claim) {
            *current = claim;
            return ClaimChange::Replaced;
        }
        let from = current.mac;
        self.taken_over(seen, to_all, config);
        while self.claims.len() >= config.history.max(1) {
            self.claims.pop_front();
        }
        self.claims.push_back(claim);
        self.moves += 1;
        ClaimChange::Moved { from }
    }

    /// Takes a connection that came to this node. Announcements know better who holds the address, so it counts only where
    /// there was none. Returns true if this is news.
    pub(super) fn received(&mut self, claim: Claim) -> bool {
        match self.claims.back_mut() {
            None => {
                self.claims.push_back(claim);
                true
            }
            Some(current) => {
                if current.received {
                    current.last_seen = current.last_seen.max(claim.last_seen);
                }
                false
            }
        }
    }

    /// Returns two hosts that claimed the address at once a short time ago, and whether they take turns. Otherwise one
    /// of them answers for an address that the other announced.
    pub(super) fn contest(&self, config: &VipConfig, now: Timestamp) -> Option<(&Contest, bool)> {
        let fresh = |contest: &&Contest| within(now, contest.last, config.quiet);
        // A host that really has taken the address over announces that to everybody within this time.
        let settled = |contest: &&Contest| !within(now, contest.since, config.settle);
        let interleaved = self.interleaved.as_ref().filter(fresh).map(|contest| (contest, true));
        interleaved.or_else(|| {
            let answers = self.answers.as_ref().filter(fresh).filter(settled);
            answers.map(|contest| (contest, false))
        })
    }

    /// Returns the newest turns, oldest first.
    pub(super) fn turns(&self) -> impl DoubleEndedIterator<Item = &(Timestamp, Mac)> {
        self.turns.iter()
    }

    fn taken_over(&mut self, seen: &AnnouncementSeen, to_all: bool, config: &VipConfig) {
        self.answered(seen, to_all, config);
        self.announced = to_all;
        let (time, mac) = (seen.time, seen.mac);
        let mut of_host = self.turns.iter().rev().filter(|(_, host)| *host == mac);
        if of_host.next().is_some_and(|(last, _)| within(time, *last, config.late)) {
            return;
        }
        if self.turns.len() == TURNS {
            self.turns.pop_front();
        }
        self.turns.push_back((time, mac));
        if let Some(hosts) = self.rivals(time, config.interleave_window) {
            extend(&mut self.interleaved, hosts, time, config.quiet);
        }
    }

    /// Notes that the old host still answers questions. A host that takes an address over announces it first.
    fn answered(&mut self, seen: &AnnouncementSeen, to_all: bool, config: &VipConfig) {
        let Some(current) = self.claims.back() else { return };
        let had_before = self.claims.iter().any(|claim| claim.mac == seen.mac);
        // The old host may learn a little late that it lost the address.
        let lagging = within(seen.time, current.since, config.settle);
        if !to_all && self.announced && had_before && !lagging {
            extend(&mut self.answers, [seen.mac, current.mac], seen.time, config.quiet);
        }
    }

    /// Returns two hosts with at least two turns each within this time.
    fn rivals(&self, now: Timestamp, window: SignedDuration) -> Option<[Mac; 2]> {
        let recent = || self.turns.iter().filter(|(at, _)| within(now, *at, window)).map(|(_, mac)| *mac);
        let mut often: Vec<Mac> = recent().filter(|mac| recent().filter(|m| m == mac).count() >= 2).collect();
        often.sort_unstable();
        often.dedup();
        <[Mac; 2]>::try_from(often.get(..2)?).ok()
    }
}

fn extend(contest: &mut Option<Contest>, hosts: [Mac; 2], now: Timestamp, quiet: SignedDuration) {
    match contest {
        Some(contest) if contest.hosts == hosts && within(now, contest.last, quiet) => contest.last = now,
        _ => *contest = Some(Contest { hosts, since: now, last: now }),
    }
}

/// Is true where two times are this close, in any order: clocks are set back.
pub(super) fn within(a: Timestamp, b: Timestamp, window: SignedDuration) -> bool {
    a.duration_since(b).abs() <= window
}
