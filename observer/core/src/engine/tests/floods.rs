//! SYN floods, and what only looks like one.

use std::net::IpAddr;

use flow_model::finding::{Finding, FindingKind, State};
use flow_model::input::HalfOpen;
use rstest::rstest;

use super::*;

const SERVERS: [&str; 4] = ["10.42.0.12", "10.43.0.9", "192.168.0.2", "fd42::12"];

/// An engine, and its findings as they were emitted last.
struct Scene {
    engine: Engine,
    findings: Vec<Finding>,
    ms: i64,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn forged(n: u32) -> IpAddr {
    std::net::Ipv4Addr::from(0xC612_0000 + n).into()
}

/// First SYNs, repeated ones, and those answered by a SYN-ACK.
fn syns(first: i64, repeated: i64, established: i64) -> Counts {
    Counts {
        syn: first + repeated,
        syn_retransmits: repeated,
        outcomes: [established, 0, 0, 0],
        ..Counts::default()
    }
}

fn delta(src: IpAddr, dst: &str, counts: Counts) -> PairDelta {
    let pair = Pair { src, dst: ip(dst), dport: 80, vantage: Vantage::Destination };
    PairDelta { pair: Some(pair), counts }
}

impl Scene {
    fn new() -> Self {
        let mut engine = Engine::new("n1");
        engine.handle(cluster(), at(0));
        Self { engine, findings: Vec::new(), ms: 0 }
    }

    /// Half a second with these counters.
    fn half(&mut self, deltas: Vec<PairDelta>) {
        self.handle(Input::Pairs { deltas });
        self.ms += 500;
        self.handle(Input::Tick);
    }

    fn handle(&mut self, input: Input) {
        self.engine.handle(input, at(self.ms));
        while let Some(output) = self.engine.next_output() {
            let Output::Finding(update) = output else { continue };
            self.findings.retain(|known| known.id != update.finding.id);
            self.findings.push(update.finding);
        }
    }

    fn floods(&self) -> Vec<&Finding> {
        let is_flood = |f: &&Finding| f.kind == FindingKind::SynFlood && f.state == State::Active;
        self.findings.iter().filter(is_flood).collect()
    }
}

#[rstest]
fn a_flood_from_many_addresses_is_probably_spoofed(#[values(0, 1, 2, 3)] server: usize) {
    let mut scene = Scene::new();
    let server = SERVERS[server];
    for half in 0..30 {
        scene.half((0..200).map(|n| delta(forged(half * 200 + n), server, syns(1, 0, 0))).collect());
    }
    let [flood] = scene.floods()[..] else { panic!("{:#?}", scene.findings) };
    assert_eq!(flood.dst.as_ref().unwrap().ip, ip(server));
    assert!(flood.summary.contains("up to 400 SYNs a second"), "{}", flood.summary);
    assert!(flood.summary.contains("from more than 256 addresses"), "{}", flood.summary);
    assert!(flood.cause.as_ref().unwrap().starts_with("probably spoofed"), "{flood:#?}");
    for _ in 0..120 {
        scene.half(vec![]);
    }
    assert_eq!(scene.floods().len(), 0, "it ends by itself");
}

#[test]
fn of_one_source_it_is_not_said_whether_it_is_spoofed() {
    let mut scene = Scene::new();
    for _ in 0..30 {
        scene.half(vec![delta(forged(7), SERVERS[0], syns(200, 0, 0))]);
    }
    let [flood] = scene.floods()[..] else { panic!("{:#?}", scene.findings) };
    assert_eq!(flood.src.as_ref().unwrap().ip, forged(7));
    assert_eq!(flood.cause, None, "{flood:#?}");
}

/// The server answers, and clients don't complete the handshake.
#[test]
fn half_open_handshakes_are_a_flood() {
    let mut scene = Scene::new();
    let half_open = |count| HalfOpen { dst: ip(SERVERS[1]), dport: 80, count, sources: 256, src: forged(1) };
    scene.handle(Input::HalfOpen { servers: vec![half_open(999)] });
    scene.half(vec![]);
    assert_eq!(scene.floods().len(), 0);
    scene.handle(Input::HalfOpen { servers: vec![half_open(1_200)] });
    scene.half(vec![]);
    let [flood] = scene.floods()[..] else { panic!("{:#?}", scene.findings) };
    assert!(
        flood.summary.contains("1200 handshakes are half open, from 256 addresses or more"),
        "{flood:#?}"
    );
    assert_eq!(flood.dst.as_ref().unwrap().service, Some("postgres/pg".into()));
    scene.handle(Input::HalfOpen { servers: vec![] });
    for _ in 0..70 {
        scene.half(vec![]);
    }
    assert_eq!(scene.floods().len(), 0);
}

/// The clients' kernels reset what they did not ask for.
#[test]
fn answers_that_clients_reset_are_a_flood() {
    let mut scene = Scene::new();
    for _ in 0..30 {
        let mut counts = syns(200, 0, 200);
        counts.rst[0][0] = 200;
        scene.half(vec![delta(forged(7), SERVERS[0], counts)]);
    }
    assert_eq!(scene.floods().len(), 1);
}

#[rstest]
// A load test: all handshakes are completed, and none stays half open.
#[case(syns(5_000, 0, 5_000))]
// Clients whose server is gone: each repeats its SYN.
#[case(syns(200, 200, 0))]
// Below the threshold.
#[case(syns(40, 0, 0))]
// Refused: somebody answers.
#[case(Counts { syn: 500, outcomes: [0, 500, 0, 0], ..Counts::default() })]
fn this_is_no_flood(#[case] counts: Counts) {
    let mut scene = Scene::new();
    for _ in 0..60 {
        scene.half(vec![delta(ip("10.42.0.10"), SERVERS[0], counts)]);
    }
    assert_eq!(scene.floods().len(), 0, "{:#?}", scene.findings);
}

/// A thousand clients connect at once to a server that is gone; they repeat their SYNs a second later.
#[test]
fn a_burst_to_a_server_that_is_gone_is_no_flood() {
    let mut scene = Scene::new();
    for half in 0..60 {
        let counts = match half {
            0 => syns(2_000, 0, 0),
            2 => syns(0, 2_000, 0),
            _ => syns(0, 0, 0),
        };
        scene.half(vec![delta(ip("10.42.0.10"), SERVERS[0], counts)]);
        scene.half(vec![]);
    }
    assert_eq!(scene.floods().len(), 0);
}

/// Answers that found no room in the kernel's table may be this server's.
#[test]
fn answers_of_unknown_servers_are_in_favour() {
    let mut scene = Scene::new();
    for _ in 0..30 {
        let elsewhere = PairDelta { pair: None, counts: syns(0, 0, 200) };
        scene.half(vec![delta(forged(7), SERVERS[0], syns(200, 0, 0)), elsewhere]);
    }
    assert_eq!(scene.floods().len(), 0);
}

/// Single findings of a flood's forged sources are part of it; those of pods are not.
#[test]
fn a_flood_explains_what_its_sources_fail_at() {
    let mut scene = Scene::new();
    for half in 0..30 {
        scene.half((0..200).map(|n| delta(forged(half * 200 + n), SERVERS[0], syns(1, 0, 0))).collect());
    }
    for src in [forged(1), ip("10.42.0.10")] {
        let tuple = FlowTuple { src, dport: 80, ..tuple(SERVERS[0]) };
        let Input::Attempt(seen) = rejected(scene.ms) else { unreachable!() };
        let (outcome, vantage) = (Outcome::Unanswered, Vantage::Destination);
        scene.handle(Input::Attempt(AttemptSeen { outcome, vantage, icmp: None, tuple, ..seen }));
    }
    let singles: Vec<_> = scene.findings.iter().filter(|f| f.kind == FindingKind::Unanswered).collect();
    assert_eq!(singles.len(), 1, "{singles:#?}");
    assert_eq!(singles[0].src.as_ref().unwrap().ip, ip("10.42.0.10"));
}
