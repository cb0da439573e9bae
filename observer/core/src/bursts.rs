//! Bursts of resets: more than a floor and more than usual, and what probably brought them about.
//!
//! Resets of established connections and orphans are counted per server and per client of it, in a sliding window. Those of
//! handshakes are refusals, which findings of other kinds tell. What is usual is learnt while no burst is on.
//!
//! A habit must not raise for ever, and a burst must not be forgotten for a habit:
//! - A burst without a known cause belongs to what is usual once it is over, or once it has gone on for ten minutes. So a
//!   habit that begins while the agent runs raises one finding, which ends by itself.
//! - What has a cause is no habit: a VIP that flaps for days stays a finding for days.
//! - In the first minute nothing is known of habits. A burst with a cause is told at once; one without waits for two
//!   windows and is told when it passes. If it goes on evenly it is a habit, and nothing is raised. The same holds for
//!   servers that may have been forgotten because there were too many.

mod burst;
mod cause;
mod endpoints;
mod habit;
mod rate;
mod server;
mod surroundings;
#[cfg(test)]
mod tests;
mod watch;
mod window;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_model::finding::{Evidence, FindingKind, Severity};
use flow_model::flow::Phase;
use flow_model::output::Output;
use flow_model::record::Reset;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use self::burst::{Burst, Level, Peak, Step};
use self::cause::Kind;
use self::rate::Rate;
use self::server::Client;
use self::watch::{Clients, Watch};
use crate::findings::{Findings, Raised};

pub use self::cause::{Causes, Change, VipMove};
pub use self::endpoints::Endpoints;
pub use self::server::Server;
pub use self::surroundings::Surroundings;

/// Without a word for longer than this the clock was set, or the machine slept.
const GAP: SignedDuration = SignedDuration::from_secs(60);
/// The clock may run backwards this much: records come late, and clocks are slewed.
const SLACK: SignedDuration = SignedDuration::from_secs(5);

/// When resets are a burst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BurstConfig {
    /// Resets in a window below which nothing is raised.
    pub floor: u32,
    /// The sliding window, in whole seconds from 1 to 300.
    pub window: SignedDuration,
    /// How long it takes to know that a server has no habit yet.
    pub warm_up: SignedDuration,
    /// A burst is over when there was nothing unusual for this long.
    pub quiet: SignedDuration,
    /// A burst that goes on for this long without a known cause is a habit.
    pub habit_after: SignedDuration,
    /// Servers watched, and as many pairs of server and client; the least recently reset give way.
    pub max_keys: usize,
}

impl Default for BurstConfig {
    fn default() -> Self {
        Self {
            floor: 5,
            window: SignedDuration::from_secs(10),
            warm_up: SignedDuration::from_mins(1),
            quiet: SignedDuration::from_secs(30),
            habit_after: SignedDuration::from_mins(10),
            max_keys: 4_096,
        }
    }
}

impl BurstConfig {
    fn window_seconds(&self) -> i64 {
        self.window.as_secs().clamp(1, 300)
    }

    fn length(&self) -> SignedDuration {
        SignedDuration::from_secs(self.window_seconds())
    }

    fn floor(&self) -> u32 {
        self.floor.max(1)
    }
}

/// A reset, and what is known around it.
#[derive(Clone, Copy, Debug)]
pub struct ResetFacts<'a> {
    pub time: Timestamp,
    pub reset: &'a Reset,
    /// The VIP through which the client addressed the server.
    pub vip: Option<IpAddr>,
}

/// The bursts of one node. Feed it resets and ticks, then drain [`Bursts::next_output`].
#[derive(Debug)]
pub struct Bursts {
    config: BurstConfig,
    servers: LruCache<Server, Watch>,
    pairs: LruCache<(Server, Client), Rate>,
    bursts: BTreeMap<Server, Burst>,
    /// Servers forgotten during their burst.
    forgotten: Vec<Server>,
    /// The newest time told.
    now: Option<Timestamp>,
    /// Since when a server, or a pair, that is not known has had no reset.
    silent_servers: Timestamp,
    silent_pairs: Timestamp,
    outputs: VecDeque<Output>,
}

impl Bursts {
    /// Nothing was reset yet.
    #[must_use]
    pub fn new(config: BurstConfig) -> Self {
        let size = NonZeroUsize::new(config.max_keys).unwrap_or(NonZeroUsize::MIN);
        Self {
            config,
            servers: LruCache::new(size),
            pairs: LruCache::new(size),
            bursts: BTreeMap::new(),
            forgotten: Vec::new(),
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
        let peak = self.peak(&server, focus, facts, now);
        match (self.bursts.get_mut(&server), peak) {
            (Some(burst), peak) => burst.add(peak),
            (None, Some(peak)) => self.suspect(server, peak, now),
            (None, None) => {}
        }
    }

    /// Time passes: bursts are explained, raised and lowered.
    pub fn tick(&mut self, causes: &dyn Causes, findings: &mut Findings, now: Timestamp) {
        let now = self.advance(now);
        for server in std::mem::take(&mut self.forgotten) {
            lower(findings, &server, "forgotten: there are too many servers".to_owned(), now);
        }
        let servers: Vec<Server> = self.bursts.keys().cloned().collect();
        for server in servers {
            self.follow(&server, causes, findings, now);
        }
    }

    /// The next burst whose cause stands, as [`Output::RstBurst`].
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many servers, and pairs of server and client, are watched.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.servers.len(), self.pairs.len())
    }

    /// Whether nothing was ever reset.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Where a record belongs, and the time it is. A record from another time than ours is of now.
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

    /// The clock was set: what is in the windows can't be placed any more. What is usual stays.
    fn restart(&mut self, now: Timestamp) {
        self.now = Some(now);
        (self.silent_servers, self.silent_pairs) = (now, now);
        self.servers.iter_mut().for_each(|(_, watch)| watch.restart(now));
        self.pairs.iter_mut().for_each(|(_, rate)| rate.restart(now));
        self.bursts.values_mut().for_each(|burst| burst.restart(now));
    }

    /// The client, if its resets alone are more than usual.
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
                let raised = self.bursts.remove(&evicted).is_some_and(|burst| burst.raised);
                self.forgotten.extend(raised.then_some(evicted));
            }
        }
        if let Some(watch) = self.servers.get_mut(server) {
            watch.add(facts, at);
        }
    }

    /// The window, if it holds more than usual: the server's, else that of the client in focus.
    fn peak(
        &mut self,
        server: &Server,
        focus: Option<Client>,
        facts: &ResetFacts<'_>,
        now: Timestamp,
    ) -> Option<Peak> {
        let watch = self.servers.peek_mut(server)?;
        if watch.rate.is_over(now) {
            let clients = watch.clients(now, self.config.length());
            return Some(Peak { counts: watch.rate.counts(now), clients, at: now, focus: None });
        }
        let pair = self.pairs.peek(&(server.clone(), focus.clone()?))?;
        Some(Peak { counts: pair.counts(now), clients: Clients::One(facts.reset.src.ip), at: now, focus })
    }

    /// From here on what is usual stands still.
    fn suspect(&mut self, server: Server, peak: Peak, now: Timestamp) {
        let Some(watch) = self.servers.peek_mut(&server) else { return };
        let started = watch.rate.surge(now, None).unwrap_or(now);
        watch.rate.freeze();
        self.pairs_of(&server).for_each(Rate::freeze);
        self.bursts.insert(server, Burst::new(peak, started, now));
    }

    fn follow(&mut self, server: &Server, causes: &dyn Causes, findings: &mut Findings, now: Timestamp) {
        let level = self.level(server, now);
        let (Some(burst), Some(watch)) = (self.bursts.get_mut(server), self.servers.peek(server)) else {
            return;
        };
        burst.look(server, watch, causes, now);
        let step = burst.step(level, &self.config, now);
        let ends = matches!(step, Step::End { .. });
        if step == Step::Tell {
            burst.tell(now);
            findings.raise(raised(server, burst, watch, &self.config), now);
        }
        if let Some(kind) = burst.take_countable(now, ends)
            && let Some(example) = watch.examples.back()
        {
            self.outputs.push_back(Output::RstBurst { dst: example.dst.clone(), cause: Kind::label(kind) });
        }
        if let Step::End { learn, because } = step {
            self.end(server, learn, now);
            lower(findings, server, because, now);
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

fn raised(server: &Server, burst: &Burst, watch: &Watch, config: &BurstConfig) -> Raised {
    let services = watch.scene().services;
    let resets = words::resets(&burst.peak, config.window_seconds());
    let because = words::because(burst.cause.as_ref(), burst.started);
    let newest = watch.examples.back();
    let vip = server.vip().or_else(|| burst.cause.as_ref().and_then(|cause| cause.vip));
    Raised {
        kind: FindingKind::RstBurst,
        subject: server.subject().to_vec(),
        severity: Severity::Warning,
        summary: format!("{}: {resets}; {because}", words::server(server, &services)),
        src: newest.map(|example| example.src.clone()),
        dst: newest.map(|example| example.dst.clone()),
        vip: vip.map(|vip| arcstr::format!("{vip}")),
        policies: Vec::new(),
        nodes: Vec::new(),
        cause: Some(words::cause(burst.cause.as_ref(), burst.started, &burst.peak)),
        evidence: evidence(burst, watch, resets),
        count: burst.total,
    }
}

/// The cause, how it began, and the newest resets.
fn evidence(burst: &Burst, watch: &Watch, resets: String) -> Vec<Evidence> {
    let cause = burst.cause.iter().map(|cause| Evidence { time: cause.at, text: cause.what.clone() });
    let began = Evidence { time: burst.started, text: resets };
    let examples =
        watch.examples.iter().map(|example| Evidence { time: example.time, text: words::example(example) });
    cause.chain([began]).chain(examples).collect()
}

fn lower(findings: &mut Findings, server: &Server, because: String, now: Timestamp) {
    let [kind, name] = server.subject();
    findings.lower(FindingKind::RstBurst, &[kind.as_str(), name.as_str()], Some(because), now);
}
