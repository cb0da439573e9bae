mod accept_queue;
mod blind_spots;
mod checks;
mod enforcement;
mod enforcer_log;
mod floods;
mod late;
mod lost;
mod merged;
mod network;
mod scans;
mod verdicts;
mod waiting_counts;

use std::sync::Arc;

use flow_model::flow::{Counts, FlowTuple, Pair, Phase, ResetCause, RstOrigin, SentBy, Side, Vantage};
use flow_model::input::{AttemptSeen, DropSeen, PairDelta, ResetSeen};
use flow_model::inventory::{Backend, Inventory, Pod, Service, ServicePort, Workload};
use flow_model::testing::attempt_seen;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
}

fn pod(ns: &str, name: &str, ip: &str, workload: &str) -> Arc<Pod> {
    Arc::new(Pod {
        namespace: ns.into(),
        name: name.into(),
        uid: name.into(),
        labels: Default::default(),
        node: Some("n1".into()),
        ips: vec![ip.parse().unwrap()],
        host_network: false,
        finished: false,
        deleting: false,
        start: Some(at(-60_000)),
        workload: Workload { kind: "Deployment".into(), name: workload.into() },
        ports: vec![],
        ..Pod::default()
    })
}

fn cluster() -> Input {
    let backend = Backend {
        ip: "10.42.0.12".parse().unwrap(),
        port: 5432,
        protocol: "TCP".into(),
        port_name: None,
        ready: true,
        pod: Some("pg-0".into()),
        node: None,
    };
    let port = ServicePort {
        name: None,
        protocol: "TCP".into(),
        port: 5432,
        node_port: None,
        target_port: Some("5432".into()),
    };
    let service = Service {
        vips: vec![],
        external_local: false,
        namespace: "postgres".into(),
        name: "pg".into(),
        labels: Default::default(),
        selector: Default::default(),
        cluster_ips: vec!["10.43.0.9".parse().unwrap()],
        external_ips: vec![],
        ports: vec![port],
        backends: vec![backend],
        ..Service::default()
    };
    let inventory = Inventory {
        pods: vec![pod("docs", "docs-1", "10.42.0.10", "docs"), pod("postgres", "pg-0", "10.42.0.12", "pg")],
        services: vec![Arc::new(service)],
        ..Inventory::default()
    };
    Input::Cluster { inventory: Arc::new(inventory) }
}

fn tuple(dst: &str) -> FlowTuple {
    FlowTuple {
        src: "10.42.0.10".parse().unwrap(),
        sport: 40_000,
        dst: dst.parse().unwrap(),
        dport: 5432,
        backend: None,
    }
}

fn rejected(ms: i64) -> Input {
    Input::Attempt(AttemptSeen {
        tuple: tuple("10.43.0.9"),
        icmp: Some((3, 3)),
        latency_ns: 310_000,
        ..attempt_seen(at(ms), Outcome::Rejected)
    })
}

fn dropped(ms: i64) -> Input {
    Input::Drop(DropSeen {
        time: at(ms),
        tuple: tuple("10.42.0.12"),
        reason: "NETFILTER_DROP".into(),
        protocol: 6,
        tcp_flags: 2,
        seq: 77,
        oriented: true,
    })
}

fn records(engine: &mut Engine) -> Vec<Event> {
    std::iter::from_fn(|| engine.next_output())
        .filter_map(|o| if let Output::Record(r) = o { Some(r.event) } else { None })
        .collect()
}

/// The pod network of the node is known, and one pod in it.
fn young(pods: &[(&str, i64)]) -> Input {
    let Input::Cluster { inventory } = cluster() else { unreachable!() };
    let mut inventory = Arc::unwrap_or_clone(inventory);
    for (ip, start) in pods {
        let new = pod("docs", "docs-2", ip, "docs");
        inventory.pods.push(Arc::new(Pod { start: Some(at(*start)), ..Arc::unwrap_or_clone(new) }));
    }
    Input::Cluster { inventory: Arc::new(inventory) }
}

fn refused_by(src: &str, ms: i64) -> Input {
    let Input::Attempt(seen) = rejected(ms) else { unreachable!() };
    let tuple = FlowTuple { src: src.parse().unwrap(), ..tuple("10.43.0.9") };
    Input::Attempt(AttemptSeen { outcome: Outcome::Refused, icmp: None, tuple, ..seen })
}

fn sources(engine: &mut Engine) -> Vec<Option<String>> {
    let name = |event| match event {
        Event::Attempt(attempt) => attempt.src.pod.map(|name| name.to_string()),
        other => panic!("{other:?}"),
    };
    records(engine).into_iter().map(name).collect()
}

#[test]
fn a_new_pods_first_attempts_wait_for_its_name() {
    let mut engine = Engine::new("n1");
    engine.handle(young(&[]), at(0));
    engine.handle(refused_by("10.42.0.77", 10), at(10));
    engine.handle(refused_by("10.42.0.10", 11), at(11));
    assert_eq!(sources(&mut engine), [Some("docs-1".to_owned())], "those with names don't wait");
    engine.handle(young(&[("10.42.0.78", 5)]), at(500));
    assert_eq!(sources(&mut engine), []);
    engine.handle(young(&[("10.42.0.77", 5)]), at(1_000));
    assert_eq!(sources(&mut engine), [Some("docs-2".to_owned())]);
    engine.handle(refused_by("10.42.0.77", 1_100), at(1_100));
    assert_eq!(sources(&mut engine), [Some("docs-2".to_owned())]);
}

#[test]
fn an_address_that_stays_without_a_name_is_reported_and_does_not_wait_again() {
    let mut engine = Engine::new("n1");
    engine.handle(young(&[]), at(0));
    engine.handle(refused_by("10.42.0.77", 10), at(10));
    engine.handle(Input::Tick, at(3_009));
    assert_eq!(sources(&mut engine), []);
    engine.handle(Input::Tick, at(3_010));
    assert_eq!(sources(&mut engine), [None]);
    engine.handle(refused_by("10.42.0.77", 3_020), at(3_020));
    assert_eq!(sources(&mut engine), [None]);
    engine.handle(refused_by("10.42.0.79", 3_030), at(3_030));
    assert_eq!(sources(&mut engine), []);
    engine.handle(Input::Tick, at(1_000));
    assert_eq!(sources(&mut engine), [None], "a clock that was set back");
}

#[test]
fn what_waits_for_a_name_is_bounded_and_reported_at_the_end() {
    let mut engine = Engine::new("n1");
    engine.handle(young(&[]), at(0));
    for n in 0..4_100 {
        engine.handle(refused_by(&format!("10.42.0.{}", 100 + n % 100), 10), at(10));
    }
    assert_eq!(sources(&mut engine).len(), 4);
    engine.finish();
    assert_eq!(sources(&mut engine).len(), 4_096);
}

#[test]
fn a_reject_waits_for_its_drop_and_names_service_and_backend() {
    let mut engine = Engine::new("n1");
    engine.handle(cluster(), at(0));
    engine.handle(rejected(1), at(1));
    assert_eq!(records(&mut engine), []);
    engine.handle(dropped(1), at(1));
    let out = records(&mut engine);
    let [Event::Attempt(attempt), Event::Drop(drop)] = out.as_slice() else { panic!("{out:?}") };
    assert_eq!(attempt.signal.as_deref(), Some("icmp-port-unreachable"));
    assert_eq!(attempt.dst.service, Some("postgres/pg".into()));
    assert_eq!(attempt.dst.pod.as_deref(), Some("pg-0"));
    assert_eq!(attempt.dst.backend_ip, Some("10.42.0.12".parse().unwrap()));
    assert_eq!(attempt.src.workload.as_deref(), Some("docs"));
    assert_eq!(attempt.latency_us, Some(310));
    assert_eq!(drop.reason, "NETFILTER_DROP");
    assert_eq!(drop.tcp_flags.as_deref(), Some("SYN"));
    assert_eq!(drop.vantage, Vantage::Source);
}

#[test]
fn a_reject_whose_drop_was_lost_goes_out_after_a_while() {
    let mut engine = Engine::new("n1");
    engine.handle(cluster(), at(0));
    engine.handle(rejected(1), at(1));
    engine.handle(Input::Tick, at(50));
    assert_eq!(records(&mut engine), []);
    engine.handle(Input::Tick, at(101));
    let out = records(&mut engine);
    let [Event::Attempt(attempt)] = out.as_slice() else { panic!("{out:?}") };
    assert_eq!(attempt.dst.service, Some("postgres/pg".into()));
    assert_eq!(attempt.dst.backend_ip, None);
}

#[test]
fn waiting_records_survive_a_clock_that_jumps_back_and_the_end() {
    let mut engine = Engine::new("n1");
    engine.handle(rejected(1), at(1_000));
    engine.handle(Input::Tick, at(0));
    assert_eq!(records(&mut engine).len(), 1);
    engine.handle(rejected(2), at(2));
    engine.finish();
    assert_eq!(records(&mut engine).len(), 1);
}

#[test]
fn a_storm_of_rejects_is_bounded_and_loses_none() {
    let mut engine = Engine::new("n1");
    for isn in 0..20_000 {
        let Input::Attempt(mut seen) = rejected(1) else { unreachable!() };
        seen.isn = isn;
        engine.handle(Input::Attempt(seen), at(1));
    }
    engine.handle(Input::Tick, at(500));
    assert_eq!(records(&mut engine).len(), 20_000);
}

#[test]
fn drops_of_foreign_traffic_are_left_out_once_the_cluster_is_known() {
    let foreign = |ms| {
        let Input::Drop(mut seen) = dropped(ms) else { unreachable!() };
        seen.tuple.src = "192.0.2.1".parse().unwrap();
        seen.tuple.dst = "192.0.2.2".parse().unwrap();
        Input::Drop(seen)
    };
    let mut engine = Engine::new("n1");
    engine.handle(foreign(1), at(1));
    assert_eq!(records(&mut engine).len(), 1, "without a cluster everything is recorded");
    engine.handle(cluster(), at(2));
    engine.handle(foreign(3), at(3));
    assert_eq!(records(&mut engine), []);
}

#[test]
fn transit_pairs_of_local_pods_are_theirs() {
    let mut engine = Engine::new("n1");
    engine.handle(cluster(), at(0));
    let pair = Pair {
        src: "192.0.2.1".parse().unwrap(),
        dst: "10.42.0.12".parse().unwrap(),
        dport: 5432,
        vantage: Vantage::Transit,
    };
    let counts = Counts { syn: 1, ..Counts::default() };
    engine.handle(Input::Pairs { deltas: vec![PairDelta { pair: Some(pair), counts }] }, at(1));
    let update = std::iter::from_fn(|| engine.next_output())
        .find_map(|o| if let Output::Pair(p) = o { Some(p) } else { None })
        .unwrap();
    let (pair, _, dst) = update.pair.unwrap();
    assert_eq!(pair.vantage, Vantage::Destination);
    assert_eq!(dst.pod.as_deref(), Some("pg-0"));
}

#[test]
fn a_reset_keeps_its_side_its_phase_and_its_origin() {
    let mut engine = Engine::new("n1");
    let seen = ResetSeen {
        time: at(1),
        tuple: tuple("10.42.0.12"),
        vantage: Vantage::Source,
        by: Side::Server,
        phase: Phase::Orphan,
        origin: RstOrigin { sent_by: Some(SentBy::KernelTcp), reason: Some("no_socket".into()) },
        cause: Some(ResetCause::ConntrackInvalid),
    };
    engine.handle(Input::Reset(seen), at(1));
    let out = records(&mut engine);
    let [Event::Reset(reset)] = out.as_slice() else { panic!("{out:?}") };
    assert_eq!((reset.by, reset.phase), (Side::Server, Phase::Orphan));
    assert_eq!(reset.origin.sent_by, Some(SentBy::KernelTcp));
    assert_eq!(reset.origin.reason.as_deref(), Some("no_socket"));
    assert_eq!(reset.cause, Some(ResetCause::ConntrackInvalid));
}
