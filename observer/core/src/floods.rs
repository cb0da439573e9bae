//! SYN floods: a server that gets many SYNs which become no connections.
//!
//! Two things show a flood. Where nobody answers, the kernel's counters of SYNs are ahead of those of answers. Where the
//! server answers, the connection table holds handshakes that the client doesn't complete; a host without this table
//! does not see such a flood.
//!
//! A SYN that is repeated does not count: it is from a real host that waits for an answer. So clients whose server is
//! gone are no flood, and neither is a load test, whose SYNs are answered and whose handshakes are completed.
//!
//! Memory is bounded: only a server with unanswered SYNs is kept, with the sources that came first.

mod config;
mod server;
mod text;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::finding::{Cause, Evidence, FindingKind, FindingSource, Severity};
use flow_model::flow::Outcome;
use flow_model::input::{HalfOpen, PairDelta};
use flow_model::record::{Attempt, Endpoint};
use jiff::Timestamp;
use lru::LruCache;

use self::server::{Batch, Server, Window};
use crate::detected::{Detected, Raised};
use crate::growing;
use crate::subject::Subject;

pub use self::config::FloodConfig;

/// Fewer SYNs without an answer than this in half a second do not make a server known.
const ADMITTED: i64 = 5;

/// Gives names to a client and a server, and the port of the server.
pub type Names<'a> = &'a dyn Fn(IpAddr, IpAddr, u16) -> (Endpoint, Endpoint);

/// The floods of one node. Feed it counters, half-open connections and ticks.
#[derive(Debug)]
pub struct Floods {
    config: FloodConfig,
    servers: LruCache<(IpAddr, u16), Server>,
    /// The answers whose server is not known, because there were too many pairs. Any server may have given them.
    elsewhere: Window,
    /// The findings that ended since the last tick.
    ended: Detected,
    /// Servers that gave way to others.
    forgotten: u64,
}

impl Floods {
    /// Returns the state before the first SYN.
    #[must_use]
    pub fn new(config: FloodConfig) -> Self {
        let servers = growing::cache(NonZeroUsize::new(config.max_servers).unwrap_or(NonZeroUsize::MIN));
        let ended = Detected::nothing(FindingSource::Floods);
        Self { config, servers, elsewhere: Window::default(), ended, forgotten: 0 }
    }

    /// Takes increments of counters.
    pub fn pairs(&mut self, deltas: &[PairDelta], now: Timestamp) {
        let mut batches: BTreeMap<(IpAddr, u16), Batch> = BTreeMap::new();
        for PairDelta { pair, counts } in deltas {
            match pair {
                Some(pair) => {
                    let batch = batches.entry((pair.dst.to_canonical(), pair.dport)).or_default();
                    batch.add(pair.src.to_canonical(), counts);
                }
                None => {
                    let mut batch = Batch::default();
                    batch.add_counts(counts);
                    self.elsewhere.add(&batch.sum, now);
                }
            }
        }
        let config = self.config;
        for (key, batch) in batches {
            if self.servers.contains(&key) || batch.sum.missing() >= ADMITTED {
                self.server(key).add(&batch, now, &config);
            }
        }
    }

    /// Takes the handshakes that the connection table holds half open now.
    pub fn half_open(&mut self, servers: &[HalfOpen], now: Timestamp) {
        self.servers.iter_mut().for_each(|(_, server)| server.set_half_open(None, now));
        let least = u64::try_from(self.config.floor()).unwrap_or(u64::MAX).min(100);
        for half_open in servers {
            let key = (half_open.dst.to_canonical(), half_open.dport);
            if self.servers.contains(&key) || half_open.count >= least {
                self.server(key).set_half_open(Some(half_open.clone()), now);
            }
        }
    }

    /// Is true for an attempt that is as those of a flood that goes on: unanswered, not repeated, and by nobody known.
    #[must_use]
    pub fn explains(&self, attempt: &Attempt) -> bool {
        let nobody = attempt.src.owner().is_none() && attempt.src.node.is_none();
        let alike = attempt.outcome == Outcome::Unanswered && attempt.syn_retransmits == 0 && nobody;
        let key = (attempt.dst.ip.to_canonical(), attempt.dst.port);
        alike && self.servers.peek(&key).is_some_and(|server| server.flood().is_some())
    }

    /// Lets time pass, and returns the floods that go on.
    #[must_use]
    pub fn tick(&mut self, names: Names<'_>, now: Timestamp) -> Detected {
        let mut detected = std::mem::replace(&mut self.ended, Detected::nothing(FindingSource::Floods));
        for ((ip, port), server) in &mut self.servers {
            if server.judge(&self.elsewhere, &self.config, now) {
                let because = "its SYNs are answered again, or there are fewer";
                detected.end(FindingKind::SynFlood, Subject::Server(*ip, *port), because);
            }
            if server.flood().is_some() {
                detected.raised.push(raised((*ip, *port), server, self.forgotten, names, now));
            }
        }
        // The order of the table depends on who came last, and would make every report a different one.
        detected.raised.sort_by(|a, b| a.subject.cmp(&b.subject));
        detected
    }

    fn server(&mut self, key: (IpAddr, u16)) -> &mut Server {
        if !self.servers.contains(&key)
            && let Some(((ip, port), evicted)) = self.servers.push(key, Server::default())
        {
            self.forgotten += 1;
            if evicted.flood().is_some() {
                let because = "forgotten: there are too many servers";
                self.ended.end(FindingKind::SynFlood, Subject::Server(ip, port), because);
            }
        }
        self.servers.get_or_insert_mut(key, Server::default)
    }
}

fn raised(
    (ip, port): (IpAddr, u16),
    server: &Server,
    forgotten: u64,
    names: Names<'_>,
    now: Timestamp,
) -> Raised {
    let busiest = server.busiest();
    let (src, dst) = names(busiest.unwrap_or(ip), ip, port);
    let mut evidence: Vec<Evidence> =
        text::evidence(server).into_iter().map(|text| Evidence { time: server.newest(now), text }).collect();
    if forgotten > 0 {
        let text = format!("{forgotten} other servers were forgotten: there were too many");
        evidence.push(Evidence { time: server.newest(now), text });
    }
    Raised {
        kind: FindingKind::SynFlood,
        subject: Subject::Server(ip, port),
        last_seen: server.newest(now),
        severity: Severity::Warning,
        summary: text::summary(&dst, server),
        src: busiest.map(|_| src),
        dst: Some(dst),
        vip: None,
        policies: Vec::new(),
        nodes: Vec::new(),
        cause: text::forged(server).map(Cause::from),
        evidence,
        count: server.count(),
    }
}
