//! Port scans, and what only looks like one.

use std::net::IpAddr;

use flow_model::finding::{Finding, FindingChange, FindingKind, Severity, State};
use flow_model::record::{Attempt, Endpoint};
use flow_model::testing::{Cluster, namespace, policy};
use rstest::rstest;

use super::*;
use crate::scans::ScanConfig;

const SCANNER: &str = "10.42.0.10";
const SERVER: &str = "10.42.0.12";

/// An engine, its findings as they were emitted last, and everything that appeared.
struct Scene {
    engine: Engine,
    findings: Vec<Finding>,
    appeared: usize,
    ms: i64,
}

impl Scene {
    fn new(input: Option<Input>) -> Self {
        let mut engine = Engine::new("n1");
        if let Some(input) = input {
            engine.handle(input, at(0));
        }
        Self { engine, findings: Vec::new(), appeared: 0, ms: 0 }
    }

    /// One attempt, and 10 ms.
    fn tries(&mut self, src: &str, dst: &str, dport: u16, outcome: Outcome) {
        self.ms += 10;
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let tuple = FlowTuple { src: ip(src), sport: 40_000, dst: ip(dst), dport, backend: None };
        let seen = attempt_seen(at(self.ms), outcome);
        self.handle(Input::Attempt(AttemptSeen { tuple, latency_ns: 310_000, ..seen }));
    }

    fn handle(&mut self, input: Input) {
        self.engine.handle(input, at(self.ms));
        while let Some(output) = self.engine.next_output() {
            let Output::Finding(update) = output else { continue };
            self.appeared += usize::from(update.change == FindingChange::Appeared);
            self.findings.retain(|known| known.id != update.finding.id);
            self.findings.push(update.finding);
        }
    }

    fn wait(&mut self, ms: i64) {
        let until = self.ms + ms;
        while self.ms < until {
            self.ms = until.min(self.ms + 500);
            self.handle(Input::Tick);
        }
    }

    fn active(&self, kind: FindingKind) -> Vec<&Finding> {
        self.findings.iter().filter(|f| f.kind == kind && f.state == State::Active).collect()
    }

    #[track_caller]
    fn scan(&self) -> &Finding {
        let scans = self.active(FindingKind::PortScan);
        assert_eq!(scans.len(), 1, "{:#?}", self.findings);
        scans[0]
    }

    #[track_caller]
    fn no_scan(&self) {
        assert_eq!(self.findings.iter().filter(|f| f.kind == FindingKind::PortScan).count(), 0);
    }

    fn singles(&self) -> usize {
        let kinds = [FindingKind::ServiceRefused, FindingKind::Unanswered, FindingKind::PolicyDenied];
        kinds.into_iter().map(|kind| self.active(kind).len()).sum()
    }
}

/// The targets that a scan tries, numbered: addresses of both families, one port or many.
fn target(how: &str, n: u16) -> (String, u16) {
    match how {
        "ports of a pod" => (SERVER.into(), 1_000 + n),
        "ports of a pod, IPv6" => ("fd42::12".into(), 1_000 + n),
        "ports of a VIP" => ("10.43.0.9".into(), 1_000 + n),
        "node ports" => ("192.168.0.2".into(), 30_000 + n),
        "one port of many hosts" => (format!("192.0.2.{}", n % 250), 22),
        "one port of many hosts, IPv6" => (format!("2001:db8::{n:x}"), 22),
        _ => (format!("192.0.2.{}", n % 7), 1_000 + n),
    }
}

#[rstest]
fn a_scan_is_one_finding(
    #[values(
        "ports of a pod",
        "ports of a pod, IPv6",
        "ports of a VIP",
        "node ports",
        "one port of many hosts",
        "one port of many hosts, IPv6",
        "some ports of some hosts"
    )]
    how: &str,
    #[values(Outcome::Refused, Outcome::Rejected, Outcome::Unanswered)] outcome: Outcome,
) {
    let src = if how.ends_with("IPv6") { "fd42::10" } else { SCANNER };
    let mut scene = Scene::new(None);
    for n in 0..200 {
        let (dst, port) = target(how, n);
        scene.tries(src, &dst, port, outcome);
    }
    scene.wait(2_000);
    let scan = scene.scan();
    assert_eq!(scan.src.as_ref().unwrap().ip.to_string(), src);
    assert_eq!(scan.count, 200, "{}", scan.summary);
    assert_eq!(scene.singles(), 0, "the single failures are part of it");
    assert!(scene.appeared < 25, "{} findings for one scan", scene.appeared);
    if how.starts_with("one port") {
        assert!(scan.summary.contains("port 22 of "), "{}", scan.summary);
    }
    scene.wait(180_000);
    assert_eq!(scene.active(FindingKind::PortScan).len(), 0, "it ends by itself");
}

#[test]
fn a_scan_hides_no_failure_of_others() {
    let mut scene = Scene::new(None);
    for n in 0..200 {
        scene.tries(SCANNER, SERVER, 1_000 + n, Outcome::Refused);
        if n % 50 == 3 {
            scene.tries("10.42.0.11", SERVER, 1_000 + n, Outcome::Refused);
        }
    }
    scene.wait(2_000);
    scene.scan();
    let singles = scene.active(FindingKind::ServiceRefused);
    assert_eq!(singles.len(), 4);
    assert!(singles.iter().all(|f| f.src.as_ref().unwrap().ip.to_string() == "10.42.0.11"), "{singles:#?}");
}

/// Findings have one side for everything outside: the newest example may be the scanner's, the failure is not its alone.
#[test]
fn outside_a_shared_finding_stays() {
    let mut scene = Scene::new(Some(cluster()));
    let vip = "10.43.0.9";
    scene.tries("203.0.113.7", vip, 1_003, Outcome::Refused);
    for n in 0..50 {
        scene.tries("203.0.113.9", vip, 1_000 + n, Outcome::Refused);
    }
    scene.wait(2_000);
    assert_eq!(scene.scan().severity, Severity::Info, "scans from outside are usual");
    assert_eq!(scene.singles(), 1, "{:#?}", scene.findings);
}

#[test]
fn what_failed_before_the_scan_goes_on() {
    let mut scene = Scene::new(None);
    for _ in 0..8 {
        scene.tries(SCANNER, "10.42.0.20", 5432, Outcome::Refused);
        scene.wait(10_000);
    }
    for n in 0..60 {
        scene.tries(SCANNER, SERVER, 1_000 + n, Outcome::Refused);
    }
    scene.tries(SCANNER, "10.42.0.20", 5432, Outcome::Refused);
    scene.wait(2_000);
    scene.scan();
    let [single] = scene.active(FindingKind::ServiceRefused)[..] else { panic!("{:#?}", scene.findings) };
    assert_eq!(single.dst.as_ref().unwrap().port, 5432);
    assert_eq!(single.count, 9);
}

#[test]
fn a_scan_names_its_pod() {
    let mut scene = Scene::new(Some(cluster()));
    for n in 0..60 {
        scene.tries(SCANNER, "10.43.0.9", 1_000 + n, Outcome::Refused);
    }
    scene.wait(1_000);
    let scan = scene.scan();
    assert_eq!(scan.severity, Severity::Warning);
    assert!(scan.src.as_ref().unwrap().pod.is_some(), "{scan:#?}");
    assert!(scan.summary.contains(SCANNER) && scan.summary.contains("60 refused"), "{}", scan.summary);
}

/// A client that starts after a change of policies tries all its servers, and may reach none.
#[test]
fn what_policies_refuse_is_no_scan_and_is_not_hidden() {
    let Input::Cluster { inventory } = cluster() else { unreachable!() };
    let mut inventory = Inventory::clone(&inventory);
    inventory.namespaces = ["docs", "postgres"].map(|name| Arc::new(namespace(name, ""))).to_vec();
    inventory.policies = Cluster::default().policy(policy("docs", "closed").egress(&[])).inventory.policies;
    let mut scene = Scene::new(Some(Input::Cluster { inventory: Arc::new(inventory) }));
    scene.wait(10_000);
    for n in 0..60 {
        scene.tries(SCANNER, SERVER, 1_000 + n, Outcome::Unanswered);
    }
    scene.wait(5_000);
    scene.no_scan();
    assert_eq!(scene.active(FindingKind::PolicyDenied).len(), 60, "{:#?}", scene.findings);
}

/// A SYN scan takes back what is answered.
#[test]
fn half_open_attempts_are_part_of_a_scan() {
    let mut scene = Scene::new(None);
    for n in 0..60 {
        scene.tries(SCANNER, SERVER, 1_000 + n, Outcome::Established);
        let dst = SERVER.parse().unwrap();
        scene.handle(Input::Reset(ResetSeen {
            time: at(scene.ms),
            tuple: FlowTuple { dst, dport: 1_000 + n, ..tuple(SERVER) },
            vantage: Vantage::Source,
            by: Side::Client,
            phase: Phase::Handshake,
            origin: RstOrigin::default(),
            cause: None,
        }));
    }
    scene.tries(SCANNER, SERVER, 999, Outcome::Refused);
    scene.wait(1_000);
    assert!(scene.scan().summary.contains("given up"), "{}", scene.scan().summary);
}

#[test]
fn a_slow_scan_stays_quiet() {
    let mut scene = Scene::new(None);
    for n in 0..60 {
        scene.tries(SCANNER, SERVER, 1_000 + n, Outcome::Refused);
        scene.wait(4_000);
    }
    scene.no_scan();
    assert_eq!(scene.singles(), 60);
}

#[test]
fn a_client_of_many_servers_is_no_scan() {
    let mut scene = Scene::new(None);
    for round in 0..20 {
        for n in 0..100 {
            let fails = n % 4 == 0 && round > 2;
            let outcome = if fails { Outcome::Refused } else { Outcome::Established };
            scene.tries(SCANNER, &format!("10.42.1.{n}"), 9_100, outcome);
        }
        scene.wait(15_000);
    }
    scene.no_scan();
    assert_eq!(scene.singles(), 25);
}

#[test]
fn retries_of_few_targets_are_no_scan() {
    let mut scene = Scene::new(None);
    for n in 0..2_000 {
        scene.tries(SCANNER, SERVER, 1_000 + n % 19, Outcome::Refused);
    }
    scene.wait(1_000);
    scene.no_scan();
    assert_eq!(scene.singles(), 19);
}

#[test]
fn kubelets_probes_of_pods_that_start_are_no_scan() {
    let mut scans = Scans::new("n1".into(), ScanConfig::default());
    let node = Endpoint { node: Some("n1".into()), ..Endpoint::bare([10, 42, 0, 1].into(), 40_000) };
    for n in 0..60 {
        let attempt = Attempt {
            count: 1,
            vantage: Vantage::Destination,
            outcome: Outcome::Refused,
            signal: None,
            icmp_type: None,
            icmp_code: None,
            drop_reason: None,
            cause: None,
            accept_backlog: None,
            enforcer: None,
            enforcer_policy: None,
            enforcement_lag: None,
            origin: RstOrigin::default(),
            src: node.clone(),
            dst: Endpoint::bare([10, 42, 0, 10 + n].into(), 8_080),
            latency_us: None,
            syn_retransmits: 0,
            isn: 0,
            verdict: None,
        };
        let facts = crate::facts::AttemptFacts {
            time: at(i64::from(n)),
            attempt: &attempt,
            src_start: None,
            dst_start: None,
            policy_change: None,
            settling: false,
            backends: None,
            probe: None,
            cause: None,
        };
        assert_eq!(scans.attempt(&facts), None);
    }
    assert!(scans.tick(at(1_000)).raised.is_empty());
}

/// Sources with one SYN each push out only their like, and many scanners are bounded.
#[test]
fn memory_is_bounded_under_attack() {
    let mut scene = Scene::new(None);
    for n in 0..60 {
        scene.tries(SCANNER, SERVER, 1_000 + n, Outcome::Refused);
    }
    for n in 0..5_000_u32 {
        let src = IpAddr::from(std::net::Ipv4Addr::from(0xC612_0000 + n)).to_string();
        scene.tries(&src, SERVER, 80, Outcome::Unanswered);
        scene.ms -= 10;
    }
    scene.wait(1_000);
    scene.scan();
}
