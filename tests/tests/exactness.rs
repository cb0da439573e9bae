//! Checks that counts are exact: 10,000 connections over 200 pairs at full speed.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;

use lab::agent::Agent;
use lab::firewall::{Firewall, Refusal};
use lab::pod::Pod;
use lab::traffic::Server;
use lab::traffic::burst::{self, Lane, Tally};
use lab::world::World;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const CLIENTS: usize = 10;
const SERVERS: usize = 5;
/// Open, open, closed, and not admitted by the firewall.
const PORTS: [u16; 4] = [8000, 8001, 8002, 9000];
const REJECTED: u16 = 9000;
const PER_PAIR: u32 = 50;
const TOTAL: u64 = 10_000;

/// A pair by its name in `/api/v1/pairs`: source, destination, port.
type Key = (String, String, u64);

/// The API's counts of a pair, in the order of [`FIELDS`].
type Counts = [u64; 9];

const FIELDS: [&str; 9] = [
    "/attempts/established",
    "/attempts/refused",
    "/attempts/rejected",
    "/attempts/unanswered",
    "/rst/client/established",
    "/rst/server/established",
    "/rst/server/handshake",
    "/rst/client/handshake",
    "/rst/client/orphan",
];

struct Arena {
    clients: Vec<Pod>,
    servers: Vec<Pod>,
    _serving: Vec<Server>,
    _firewalls: Vec<Firewall>,
    world: World,
}

impl Arena {
    fn new() -> Self {
        let world = World::new().unwrap();
        let clients: Vec<_> =
            (0..CLIENTS).map(|i| world.pod("web", &format!("client{i}")).unwrap()).collect();
        let servers: Vec<_> =
            (0..SERVERS).map(|i| world.pod("data", &format!("server{i}")).unwrap()).collect();
        let serving = servers
            .iter()
            .flat_map(|s| [8000, 8001, REJECTED].map(|port| Server::start(&s.ns, port).unwrap()))
            .collect();
        let firewalls = servers
            .iter()
            .map(|server| {
                let firewall =
                    Firewall::new(&world.node, server, (8000, 8002), Refusal::PortUnreachable).unwrap();
                clients.iter().for_each(|client| firewall.allow_pod(client).unwrap());
                firewall
            })
            .collect();
        Self { clients, servers, _serving: serving, _firewalls: firewalls, world }
    }

    /// Returns the lanes from every client to every port of every server.
    fn lanes(&self) -> Vec<(Key, Lane)> {
        let mut lanes = Vec::new();
        for client in &self.clients {
            for server in &self.servers {
                for port in PORTS {
                    let key = (client.ip4.to_string(), server.ip4.to_string(), u64::from(port));
                    let to: SocketAddr = server.at(port);
                    lanes.push((key, Lane { client: client.ns.clone(), to, count: PER_PAIR }));
                }
            }
        }
        lanes
    }

    /// Drives the traffic and returns the exact counts.
    fn run(&self) -> BTreeMap<Key, Counts> {
        let (keys, lanes): (Vec<_>, Vec<_>) = self.lanes().into_iter().unzip();
        let tallies = burst::run(&lanes).unwrap();
        let expected: BTreeMap<_, _> =
            keys.into_iter().zip(tallies).map(|(key, tally)| (key.clone(), counts(&key, tally))).collect();
        let sum = sum(expected.values());
        assert_eq!(sum[..3], [5000, 2500, 2500], "the traffic itself is as planned");
        assert_eq!(self.sent_resets(), sum[4] + sum[5] + sum[6], "the kernels sent as many RSTs");
        expected
    }

    fn sent_resets(&self) -> u64 {
        self.pods("OutRsts", "Tcp")
    }

    /// Returns the number of SYNs that the clients' kernels sent again.
    fn retransmits(&self) -> u64 {
        self.pods("TCPSynRetrans", "TcpExt")
    }

    fn pods(&self, counter: &str, group: &str) -> u64 {
        self.clients.iter().chain(&self.servers).map(|p| p.ns.counter(group, counter).unwrap()).sum()
    }
}

fn counts(key: &Key, tally: Tally) -> Counts {
    let n = |count: u32| u64::from(count);
    let (refused, rejected) =
        if key.2 == u64::from(REJECTED) { (0, n(tally.refused)) } else { (n(tally.refused), 0) };
    [
        n(tally.established),
        refused,
        rejected,
        0,
        n(tally.client_resets),
        n(tally.server_resets),
        refused,
        0,
        0,
    ]
}

fn sum<'a>(all: impl IntoIterator<Item = &'a Counts>) -> Counts {
    all.into_iter().fold([0; 9], |mut sum, counts| {
        sum.iter_mut().zip(counts).for_each(|(s, c)| *s += c);
        sum
    })
}

fn number(of: &Value, pointer: &str) -> u64 {
    of.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer} in {of}"))
}

fn read(counted: &Value) -> Counts {
    FIELDS.map(|field| number(counted, field))
}

struct Counted {
    pairs: BTreeMap<Key, Counts>,
    other: Counts,
    /// Returns the number of SYNs and of retransmitted ones among them, with the remainder.
    syns: [u64; 2],
}

impl Counted {
    fn read(agent: &Agent) -> Self {
        let answer = agent.pairs().unwrap();
        let listed = answer["pairs"].as_array().unwrap();
        let key = |p: &Value| {
            let ip = |side: &str| p[side]["ip"].as_str().unwrap().to_owned();
            (ip("src"), ip("dst"), number(p, "/dst/port"))
        };
        let mut pairs = BTreeMap::new();
        for pair in listed {
            let twice = pairs.insert(key(pair), read(pair));
            assert!(twice.is_none(), "listed twice: {pair}");
        }
        let both = listed.iter().chain([&answer["other"]]);
        let syns = ["/syn", "/syn_retransmits"].map(|field| both.clone().map(|p| number(p, field)).sum());
        Self { pairs, other: read(&answer["other"]), syns }
    }

    fn total(&self) -> Counts {
        sum(self.pairs.values().chain([&self.other]))
    }

    /// Waits until all attempts are counted.
    fn complete(agent: &Agent) -> Self {
        let done = |counted: &Self| counted.total()[..4].iter().sum::<u64>() >= TOTAL;
        agent
            .wait_for("all attempts to be counted", |a| Some(Self::read(a)).filter(done))
            .unwrap_or_else(|e| panic!("{e}: {:?}", Self::read(agent).total()))
    }
}

fn check_syns(arena: &Arena, agent: &Agent, counted: &Counted) {
    let retransmits = arena.retransmits();
    assert_eq!(counted.syns, [TOTAL + retransmits, retransmits]);
    assert_eq!(agent.metric("tcp_syn_total", &[]).unwrap().to_string(), (TOTAL + retransmits).to_string());
}

fn check_metrics(agent: &Agent, total: Counts) {
    let metric = |name: &str, labels: &[(&str, &str)]| agent.metric(name, labels).unwrap().to_string();
    for (i, outcome) in ["established", "refused", "rejected", "unanswered"].into_iter().enumerate() {
        assert_eq!(
            metric("connection_attempts_total", &[("outcome", outcome)]),
            total[i].to_string(),
            "{outcome}"
        );
    }
    for (i, by, phase) in
        [(4, "client", "established"), (5, "server", "established"), (6, "server", "handshake")]
    {
        // Those whose reason is not known are published half a second later.
        agent.wait_metric("tcp_rst_total", &[("by", by), ("phase", phase)], total[i] as f64).unwrap();
    }
}

fn lost(agent: &Agent, stage: &str) -> f64 {
    agent.metric("events_lost_total", &[("stage", stage)]).unwrap()
}

#[test]
fn every_pair_is_exact() {
    let arena = Arena::new();
    let agent = arena.world.agent(&[]).unwrap();
    let expected = arena.run();
    let counted = Counted::complete(&agent);
    assert_eq!(counted.pairs, expected);
    assert_eq!(counted.other, [0; 9]);
    check_syns(&arena, &agent, &counted);
    check_metrics(&agent, sum(expected.values()));
    for stage in ["pairs", "handshakes"] {
        assert_eq!(lost(&agent, stage).to_string(), "0", "{stage}");
    }
}

#[test]
fn a_full_pair_map_loses_names_only() {
    let arena = Arena::new();
    let agent = arena.world.agent(&["--pair-map-entries", "64"]).unwrap();
    let expected = sum(arena.run().values());
    let counted = Counted::complete(&agent);
    assert_eq!(counted.total(), expected);
    assert!(counted.other.iter().sum::<u64>() > 0, "200 pairs don't fit in 64 entries");
    assert!(lost(&agent, "pairs") > 0.0, "the overflow is visible");
    check_syns(&arena, &agent, &counted);
    check_metrics(&agent, expected);
}

#[test]
fn a_tiny_ring_loses_records_only() {
    let arena = Arena::new();
    let agent = arena.world.agent(&["--ring-bytes", "4096"]).unwrap();
    let expected = arena.run();
    let counted = Counted::complete(&agent);
    assert_eq!(counted.pairs, expected);
    check_syns(&arena, &agent, &counted);
    check_metrics(&agent, sum(expected.values()));
    assert!(lost(&agent, "ring") > 0.0, "10,000 records don't fit in 4096 bytes");
}

/// Checks the reference counts of the other tests, without an agent.
#[test]
fn the_traffic_is_as_planned() {
    let arena = Arena::new();
    assert_eq!(arena.run().len(), CLIENTS * SERVERS * PORTS.len());
}

/// The agent may learn of an interface when its pod connects already. Until the agent's programs are there, the server's
/// interface counts.
#[test]
fn nothing_is_missed_while_the_agent_attaches() {
    const PODS: u8 = 8;
    /// They take longer than the agent needs to attach.
    const EACH: u32 = 500;
    let world = World::new().unwrap();
    let server = world.pod("data", "server").unwrap();
    let _serving = Server::start(&server.ns, 8000).unwrap();
    let agent = world.agent(&[]).unwrap();
    let process = Pid::from_raw(agent.pid().try_into().unwrap());
    for n in 0..PODS {
        kill(process, Signal::SIGSTOP).unwrap();
        let pod = world.node.add_pod_at(20 + n, "web", &format!("client{n}")).unwrap();
        let lane = Lane { client: pod.ns.clone(), to: server.at(8000), count: EACH };
        thread::scope(|scope| {
            let load = scope.spawn(|| burst::run(&[lane]));
            kill(process, Signal::SIGCONT).unwrap();
            load.join().unwrap().unwrap();
        });
    }
    let all = f64::from(u32::from(PODS) * EACH);
    agent.wait_metric("connection_attempts_total", &[], all).unwrap();
    agent.wait_metric("connection_attempts_total", &[("outcome", "established")], all).unwrap();
}
