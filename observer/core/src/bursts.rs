//! Bursts of resets: more resets than a floor and than usual, and their probable cause.
//!
//! Resets of established connections and orphans are counted per server and per client of it, in a sliding window.
//! Those of handshakes are refusals, which findings of other kinds report. What is usual is learnt while no burst goes
//! on.
//!
//! A habit must not raise a finding for ever, and a burst must not be mistaken for a habit:
//! - A burst without a known cause belongs to what is usual once it is over, or once it has gone on for ten minutes. So
//!   a habit that begins while the agent runs raises one finding, which ends by itself.
//! - What has a cause is no habit: a VIP that flaps for days stays a finding for days.
//! - In the first minute no habits are known. A burst with a cause is raised at once. One without a cause waits for two
//!   windows and is raised when it passes. If it goes on evenly it is a habit, and nothing is raised. The same holds
//!   for servers that may have been forgotten because there were too many.

mod burst;
mod cause;
mod config;
mod endpoints;
mod finding;
mod habit;
mod rate;
mod server;
mod surroundings;
#[cfg(test)]
mod tests;
mod text;
mod watch;
mod window;

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;

use flow_model::finding::{FindingKind, FindingSource};
use flow_model::flow::Phase;
use flow_model::output::Output;
use flow_model::record::Reset;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use self::burst::{Burst, Judgement, Level, Peak};
use self::cause::Kind;
use self::rate::Rate;
use self::server::Client;
use self::watch::{Clients, Watch};
use crate::detected::Detected;
use crate::facts::ResetFacts;

pub use self::cause::{Causes, Change, VipMove};
pub use self::config::BurstConfig;
pub use self::endpoints::Endpoints;
pub use self::server::Server;
pub use self::surroundings::Surroundings;

/// After a pause longer than this the clock was set, or the machine slept.
const GAP: SignedDuration = SignedDuration::from_secs(60);
/// The clock may run backwards this much: records come late, and clocks are slewed.
const SLACK: SignedDuration = SignedDuration::from_secs(5);

/// The bursts of one node. Feed it resets and ticks, then drain [`Bursts::next_output`].
#[derive(Debug)]
pub struct Bursts {
    config: BurstConfig,
    servers: LruCache<Server, Watch>,
    pairs: LruCache<(Server, Client), Rate>,
    bursts: BTreeMap<Server, Burst>,
    /// The findings that ended since the last tick.
    ended: Detected,
    /// The newest time given.
    now: Option<Timestamp>,
    /// The time since which a server, or a pair, that is not known has not been reset.
    silent_servers: Timestamp,
    silent_pairs: Timestamp,
    outputs: VecDeque<Output>,
}

impl Bursts {
    /// Returns the state before the first reset.
    #[must_use]
    pub fn new(config: BurstConfig) -> Self {
        let size = NonZeroUsize::new(config.max_keys).unwrap_or(NonZeroUsize::MIN);
        Self {
            config,
            servers: LruCache::new(size),
            pairs: LruCache::new(size),
            bursts: BTreeMap::new(),
            ended: Detected::nothing(FindingSource::Resets),
            now: None,
            silent_servers: Timestamp::MAX,
            silent_pairs: Timestamp::MAX,
            outputs: VecDeque::new(),
        }
    }

    /// Counts a reset.
    pub fn reset(&mut self, facts: &ResetFacts<'_>) {
        let Some(server) = Server::of(facts.reset, facts.vip) else { return };
        if facts.reset.phase == Phase::Handshake {
            return;
        }
        let (at, now) = self.place(facts.time);
        let focus = self.add_to_pair(&server, facts.reset, at, now);
        self.add_to_server(&server, facts, at, now);
        let peak = self.peak(&server, focus, now);
        match (self.bursts.get_mut(&server), peak) {
            (Some(burst), peak) => burst.add(peak, now),
            (None, Some(peak)) => self.suspect(server, peak, now),
            (None, None) => {}
        }
    }

    /// Lets time pass: explains bursts, and returns those that go on.
    #[must_use]
    pub fn tick(&mut self, causes: &dyn Causes, now: Timestamp) -> Detected {
        let now = self.advance(now);
        let mut detected = std::mem::replace(&mut self.ended, Detected::nothing(FindingSource::Resets));
        let servers: Vec<Server> = self.bursts.keys().cloned().collect();
        for server in servers {
            self.follow(&server, causes, &mut detected, now);
        }
        detected
    }

    /// Returns the next burst whose cause is settled, as [`Output::RstBurst`].
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns where a record belongs, and the time now. A record from an implausible time belongs to now.
    fn place(&mut self, time: Timestamp) -> (Timestamp, Timestamp) {
        let now = *self.now.get_or_insert(time);
        let range = -self.config.length()..=GAP;
        let at = if range.contains(&time.duration_since(now)) { time } else { now };
        self.starts(now);
        let now = now.max(at);
        self.now = Some(now);
        (at, now)
    }

    fn advance(&mut self, now: Timestamp) -> Timestamp {
        let passed = self.now.map_or(SignedDuration::ZERO, |before| now.duration_since(before));
        if !(-SLACK..=GAP).contains(&passed) {
            self.restart(now);
        }
        self.starts(now);
        let now = self.now.map_or(now, |before| before.max(now));
        self.now = Some(now);
        now
    }

    fn starts(&mut self, now: Timestamp) {
        self.silent_servers = self.silent_servers.min(now);
        self.silent_pairs = self.silent_pairs.min(now);
    }

    /// Empties the windows: the clock was set, and what is in them can't be placed any more. What is usual stays.
    fn restart(&mut self, now: Timestamp) {
        self.now = Some(now);
        (self.silent_servers, self.silent_pairs) = (now, now);
        self.servers.iter_mut().for_each(|(_, watch)| watch.restart(now));
        self.pairs.iter_mut().for_each(|(_, rate)| rate.restart(now));
        self.bursts.values_mut().for_each(|burst| burst.restart(now));
    }

    /// Counts a reset for its client. Returns the client if its resets alone are more than usual.
    fn add_to_pair(
        &mut self,
        server: &Server,
        reset: &Reset,
        at: Timestamp,
        now: Timestamp,
    ) -> Option<Client> {
        let key = (server.clone(), Client::of(&reset.src)?);
        if !self.pairs.contains(&key) {
            let mut rate = Rate::new(&self.config, self.silent_pairs, now);
            if self.bursts.contains_key(server) {
                rate.freeze();
            }
            if self.pairs.push(key.clone(), rate).is_some() {
                self.silent_pairs = now;
            }
        }
        let rate = self.pairs.get_mut(&key)?;
        rate.add(at, reset.phase);
        rate.is_over(now).then_some(key.1)
    }

    fn add_to_server(&mut self, server: &Server, facts: &ResetFacts<'_>, at: Timestamp, now: Timestamp) {
        if !self.servers.contains(server) {
            let watch = Watch::new(Rate::new(&self.config, self.silent_servers, now));
            if let Some((evicted, _)) = self.servers.push(server.clone(), watch) {
                self.silent_servers = now;
                if self.bursts.remove(&evicted).is_some_and(|burst| burst.certain) {
                    let because = "forgotten: there are too many servers";
                    self.ended.end(FindingKind::RstBurst, evicted.subject(), because);
                }
            }
        }
        if let Some(watch) = self.servers.get_mut(server) {
            watch.add(facts, at);
        }
    }

    /// Returns the window, if it holds more than usual: the server's, else that of the client in focus.
    fn peak(&mut self, server: &Server, focus: Option<Client>, now: Timestamp) -> Option<Peak> {
        let watch = self.servers.peek_mut(server)?;
        if watch.rate.is_over(now) {
            let clients = watch.clients(now, self.config.length());
            return Some(Peak { counts: watch.rate.counts(now), clients, at: now, focus: None });
        }
        let client = focus.clone()?;
        let clients = Clients::One(client.name());
        let pair = self.pairs.peek(&(server.clone(), client))?;
        Some(Peak { counts: pair.counts(now), clients, at: now, focus })
    }

    /// Suspects a burst. From here on what is usual does not change.
    fn suspect(&mut self, server: Server, peak: Peak, now: Timestamp) {
        let Some(watch) = self.servers.peek_mut(&server) else { return };
        let started = watch.rate.surge(now, None).unwrap_or(now);
        watch.rate.freeze();
        self.pairs_of(&server).for_each(Rate::freeze);
        self.bursts.insert(server, Burst::new(peak, started, now));
    }

    fn follow(&mut self, server: &Server, causes: &dyn Causes, out: &mut Detected, now: Timestamp) {
        let level = self.level(server, now);
        let (Some(burst), Some(watch)) = (self.bursts.get_mut(server), self.servers.peek(server)) else {
            return;
        };
        burst.look(server, watch, causes, now);
        let judgement = burst.judge(level, &self.config, now);
        if judgement == Judgement::Burst {
            let write = |burst: &Burst| finding::raised(server, burst, watch, &self.config, now);
            out.raised.push(burst.finding(now, write));
        }
        if burst.take_settled(now, matches!(judgement, Judgement::Over { .. }))
            && let Some(example) = watch.examples.back()
        {
            let cause = Kind::label(burst.cause.as_ref().map(|cause| cause.kind));
            self.outputs.push_back(Output::RstBurst { dst: example.dst.clone(), cause });
        }
        if let Judgement::Over { learn, because } = judgement {
            self.end(server, learn, now);
            out.end(FindingKind::RstBurst, server.subject(), because);
        }
    }

    fn level(&mut self, server: &Server, now: Timestamp) -> Level {
        let focus = self.bursts.get(server).and_then(|burst| burst.peak.focus.clone());
        let pair = focus.and_then(|client| self.pairs.peek_mut(&(server.clone(), client)));
        let of_pair = pair.map(|rate| (rate.is_over(now), rate.is_learnt(now), rate.counts(now).total()));
        let (pair_over, pair_learnt, pair_count) = of_pair.unwrap_or((false, true, 0));
        let Some(Watch { rate, .. }) = self.servers.peek_mut(server) else {
            return Level { over: false, learnt: true, young: false, count: 0 };
        };
        Level {
            over: rate.is_over(now) || pair_over,
            learnt: rate.is_learnt(now) && pair_learnt,
            young: rate.age() < self.config.warm_up,
            count: if of_pair.is_some() { pair_count } else { rate.counts(now).total() },
        }
    }

    fn end(&mut self, server: &Server, learn: bool, now: Timestamp) {
        self.bursts.remove(server);
        self.pairs_of(server).for_each(|rate| rate.thaw(learn, now));
        if let Some(watch) = self.servers.peek_mut(server) {
            watch.rate.thaw(learn, now);
        }
    }

    fn pairs_of(&mut self, server: &Server) -> impl Iterator<Item = &mut Rate> {
        let pairs = self.pairs.iter_mut();
        pairs.filter(move |((of, _), _)| of == server).map(|(_, rate)| rate)
    }
}
