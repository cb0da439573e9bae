//! Verdicts on flows and open connections, and the findings that follow.

use flow_model::decision::Decision;
use flow_model::finding::{Finding, FindingKind, State};
use flow_model::input::OpenConnection;
use flow_model::policies::{Direction, NetworkPolicy};
use flow_model::testing::{Cluster, namespace, policy};

use super::*;

/// The cluster of the other tests, with this policy on Postgres.
pub(super) fn guarded(guard: NetworkPolicy) -> Input {
    guarded_by(Cluster::default().policy(guard))
}

fn guarded_by(policies: Cluster) -> Input {
    let Input::Cluster { inventory } = cluster() else { unreachable!() };
    let mut inventory = Inventory::clone(&inventory);
    inventory.namespaces = ["docs", "postgres", "app"].map(|name| Arc::new(namespace(name, ""))).to_vec();
    inventory.policies = policies.inventory.policies;
    Input::Cluster { inventory: Arc::new(inventory) }
}

pub(super) fn admitting(namespaces: &[&str]) -> NetworkPolicy {
    let rules: Vec<_> =
        namespaces.iter().map(|ns| format!("ns(kubernetes.io/metadata.name={ns}) : 5432")).collect();
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    policy("postgres", "default-deny-ingress").ingress(&rules)
}

pub(super) fn outputs(engine: &mut Engine) -> Vec<Output> {
    std::iter::from_fn(|| engine.next_output()).collect()
}

pub(super) fn findings(outputs: &[Output]) -> Vec<&Finding> {
    outputs.iter().filter_map(|o| if let Output::Finding(f) = o { Some(&f.finding) } else { None }).collect()
}

fn verdict(outputs: &[Output]) -> &flow_model::record::FlowVerdict {
    let attempt = |o| match o {
        &Output::Record(FlowRecord { event: Event::Attempt(ref attempt), .. }) => Some(attempt),
        _ => None,
    };
    outputs.iter().find_map(attempt).unwrap().verdict.as_ref().unwrap()
}

fn open(older: bool) -> OpenConnection {
    let backend = Some(("10.42.0.12".parse().unwrap(), 5432));
    OpenConnection { tuple: FlowTuple { backend, ..tuple("10.43.0.9") }, seen: at(0), older }
}

#[test]
fn a_refused_attempt_names_the_policy_also_when_its_backend_was_not_seen() {
    let mut engine = Engine::new("n1");
    engine.handle(guarded(admitting(&["app"])), at(0));
    engine.handle(rejected(1), at(1));
    engine.handle(Input::Tick, at(200));
    let out = outputs(&mut engine);
    let verdict = verdict(&out);
    assert_eq!((verdict.decision, verdict.direction), (Decision::Deny, Some(Direction::Ingress)));
    assert_eq!(verdict.policies, ["postgres/default-deny-ingress"]);
    let [finding] = findings(&out)[..] else { panic!("{out:?}") };
    assert_eq!(finding.kind, FindingKind::PolicyDenied);
    assert!(
        finding.summary.contains("no rule admits namespace docs; the nearest admits namespace app"),
        "{finding:?}"
    );
}

#[test]
fn a_change_of_a_policy_is_a_record() {
    let mut engine = Engine::new("n1");
    engine.handle(guarded(admitting(&["docs"])), at(0));
    let changes = |engine: &mut Engine| -> Vec<(Timestamp, String)> {
        let change = |output| match output {
            Output::Record(FlowRecord { time, event: Event::PolicyChange(change), .. }) => {
                Some((time, change.summary))
            }
            _ => None,
        };
        outputs(engine).into_iter().filter_map(change).collect()
    };
    assert_eq!(changes(&mut engine), [], "what was there at the start");
    engine.handle(guarded(admitting(&["app"])), at(60_000));
    let told = changes(&mut engine);
    let [(time, summary)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*time, at(60_000));
    assert!(summary.contains("NetworkPolicy postgres/default-deny-ingress was changed"), "{summary}");
}

/// The connection that is older than the change is on other nodes.
#[test]
fn a_refusal_names_the_change_also_where_no_connection_was_open() {
    let mut engine = Engine::new("n1");
    engine.handle(guarded(admitting(&["docs"])), at(0));
    engine.handle(guarded(admitting(&["app"])), at(60_000));
    let Input::Attempt(mut seen) = rejected(70_000) else { unreachable!() };
    seen.tuple.backend = open(false).tuple.backend;
    engine.handle(Input::Attempt(seen), at(70_000));
    engine.handle(Input::Tick, at(70_200));
    let out = outputs(&mut engine);
    let [finding] = findings(&out)[..] else { panic!("{out:?}") };
    assert_eq!(finding.kind, FindingKind::PolicyDenied);
    let cause = finding.cause.as_deref().unwrap_or_default();
    let expected = "ingress[0] no longer admits namespace docs, but namespace app";
    assert!(cause.contains(expected), "{finding:?}");
}

/// The policy was broken, mended and broken again. Then the client restarts: its refusal is due to the last change, whether
/// its old connection was open on this node or on none.
#[test]
fn the_cause_is_the_last_change_on_every_node() {
    let refusal = |was_open: bool| {
        let mut engine = Engine::new("n1");
        engine.handle(guarded(admitting(&["docs"])), at(0));
        let connection = open(false);
        if was_open {
            engine.handle(Input::Connections { opened: vec![connection.clone()], closed: vec![] }, at(1));
        }
        engine.handle(guarded(admitting(&["app"])), at(60_000));
        engine.handle(guarded(admitting(&["docs"])), at(120_000));
        engine.handle(Input::Connections { opened: vec![], closed: vec![connection.tuple] }, at(150_000));
        engine.handle(guarded(admitting(&["app"])), at(180_000));
        outputs(&mut engine);
        let Input::Attempt(mut seen) = rejected(200_000) else { unreachable!() };
        seen.tuple.backend = connection.tuple.backend;
        engine.handle(Input::Attempt(seen), at(200_000));
        engine.handle(Input::Tick, at(200_200));
        let out = outputs(&mut engine);
        let [finding] = findings(&out)[..] else { panic!("{out:?}") };
        assert_eq!((finding.kind, finding.cause_at), (FindingKind::PolicyDenied, Some(at(180_000))));
        (finding.id.clone(), finding.cause.clone().unwrap())
    };
    assert_eq!(refusal(true), refusal(false));
}

#[test]
fn backends_that_are_judged_differently_are_not_guessed_at() {
    let Input::Cluster { inventory } = guarded(admitting(&["app"]).on("app=pg")) else { unreachable!() };
    let mut inventory = Inventory::clone(&inventory);
    let mut selected = Pod::clone(&inventory.pods[1]);
    selected.name = "pg-1".into();
    selected.labels = [("app".into(), "pg".into())].into();
    selected.ips = vec!["10.42.0.13".parse().unwrap()];
    let mut service = Service::clone(&inventory.services[0]);
    service.backends.push(Backend { ip: selected.ips[0], ..service.backends[0].clone() });
    inventory.pods.push(Arc::new(selected));
    inventory.services = vec![Arc::new(service)];
    let mut engine = Engine::new("n1");
    engine.handle(Input::Cluster { inventory: Arc::new(inventory) }, at(0));
    engine.handle(rejected(1), at(1));
    engine.handle(Input::Tick, at(200));
    let out = outputs(&mut engine);
    assert_eq!(verdict(&out).decision, Decision::Unknown);
    assert!(verdict(&out).explanation.contains("backends of Service postgres/pg"), "{:?}", verdict(&out));
}

/// Postgres behind a VIP, which admits the client's own address but no node's.
fn behind_a_vip(labels: &str) -> Input {
    let guard = policy("postgres", "from-outside").ingress(&["203.0.113.0/24 : 5432"]);
    let Input::Cluster { inventory } = guarded_by(Cluster::default().policy(guard)) else { unreachable!() };
    let mut inventory = Inventory::clone(&inventory);
    inventory.nodes = Cluster::default().node("n2", labels, "192.168.1.12").inventory.nodes;
    let mut service = Service::clone(&inventory.services[0]);
    service.vips = vec!["10.0.20.200".parse().unwrap()];
    service.external_ips.clone_from(&service.vips);
    inventory.services = vec![Arc::new(service)];
    Input::Cluster { inventory: Arc::new(inventory) }
}

#[test]
fn a_masqueraded_client_stays_refused_when_something_else_changes() {
    let mut engine = Engine::new("n1");
    engine.handle(behind_a_vip(""), at(0));
    let Input::Attempt(mut seen) = rejected(1) else { unreachable!() };
    seen.tuple.src = "203.0.113.5".parse().unwrap();
    seen.tuple.dst = "10.0.20.200".parse().unwrap();
    seen.tuple.backend = Some(("10.42.0.12".parse().unwrap(), 5432));
    seen.masqueraded = Some("192.168.1.12".parse().unwrap());
    engine.handle(Input::Attempt(seen), at(1));
    engine.handle(Input::Tick, at(200));
    let out = outputs(&mut engine);
    let [finding] = findings(&out)[..] else { panic!("{out:?}") };
    assert_eq!((finding.kind, finding.state), (FindingKind::PolicyDenied, State::Active));
    engine.handle(behind_a_vip("disk=ssd"), at(1_000));
    assert_eq!(findings(&outputs(&mut engine)), Vec::<&Finding>::new());
}

#[test]
fn without_a_cluster_there_is_no_verdict() {
    let mut engine = Engine::new("n1");
    engine.handle(rejected(1), at(1));
    engine.handle(Input::Tick, at(200));
    let out = records(&mut engine);
    let [Event::Attempt(attempt)] = out.as_slice() else { panic!("{out:?}") };
    assert_eq!(attempt.verdict, None);
}

#[test]
fn a_change_makes_an_open_connection_a_finding_and_the_fix_ends_it() {
    let mut engine = Engine::new("n1");
    engine.handle(guarded(admitting(&["app", "docs"])), at(0));
    engine.handle(Input::Connections { opened: vec![open(true)], closed: vec![] }, at(1));
    assert_eq!(findings(&outputs(&mut engine)), Vec::<&Finding>::new());

    let read = || Input::Connections { opened: vec![], closed: vec![] };
    engine.handle(guarded(admitting(&["app"])), at(5_000));
    assert_eq!(findings(&outputs(&mut engine)), Vec::<&Finding>::new(), "it may have closed before");
    engine.handle(read(), at(5_100));
    let out = outputs(&mut engine);
    let [finding] = findings(&out)[..] else { panic!("{out:?}") };
    assert_eq!((finding.kind, finding.state, finding.count), (FindingKind::LatentDenial, State::Active, 1));
    let cause = finding.cause.as_deref().unwrap();
    assert!(cause.contains("postgres/default-deny-ingress") && cause.contains("namespace docs"), "{cause}");
    let counts =
        out.iter().find_map(|o| if let Output::LatentDenials(c) = o { Some(c) } else { None }).unwrap();
    assert_eq!((counts.len(), counts[0].count), (1, 1));
    assert_eq!(counts[0].policy, "postgres/default-deny-ingress");

    engine.handle(guarded(admitting(&["app", "docs"])), at(9_000));
    engine.handle(read(), at(9_100));
    let out = outputs(&mut engine);
    assert_eq!(findings(&out)[0].state, State::Resolved);
    assert!(out.contains(&Output::LatentDenials(vec![])));
}

#[test]
fn counters_carry_the_verdict_of_their_pair() {
    let mut engine = Engine::new("n1");
    engine.handle(guarded(admitting(&["app"])), at(0));
    let (src, dst) = (tuple("10.43.0.9").src, "10.43.0.9".parse().unwrap());
    let pair = Pair { src, dst, dport: 5432, vantage: Vantage::Source };
    let counts = Counts { outcomes: [0, 0, 1, 0], ..Counts::default() };
    engine.handle(Input::Pairs { deltas: vec![PairDelta { pair: Some(pair), counts }] }, at(1));
    let out = outputs(&mut engine);
    let verdicts: Vec<_> =
        out.iter().filter_map(|o| if let Output::Pair(p) = o { Some(p.verdict) } else { None }).collect();
    assert_eq!(verdicts, [Decision::Deny]);
}

/// Counters arrive up to half a second after the attempts.
#[test]
fn counters_are_judged_as_their_attempts_were() {
    let mut engine = Engine::new("n1");
    engine.handle(guarded(admitting(&["app"])), at(0));
    engine.handle(rejected(1), at(1));
    engine.handle(guarded(admitting(&["app", "docs"])), at(2));
    let (src, dst) = (tuple("10.43.0.9").src, "10.43.0.9".parse().unwrap());
    let pair = Pair { src, dst, dport: 5432, vantage: Vantage::Source };
    let counts = Counts { outcomes: [0, 0, 1, 0], ..Counts::default() };
    let mut judged = |ms| {
        engine.handle(Input::Pairs { deltas: vec![PairDelta { pair: Some(pair), counts }] }, at(ms));
        let out = outputs(&mut engine);
        out.iter().rev().find_map(|o| if let Output::Pair(p) = o { Some(p.verdict) } else { None }).unwrap()
    };
    assert_eq!((judged(500), judged(2_000)), (Decision::Deny, Decision::Allow));
}

#[test]
fn behind_a_masquerade_the_client_may_be_a_node() {
    let Input::Cluster { inventory } = guarded(policy("postgres", "lan").ingress(&["192.0.2.0/24"])) else {
        unreachable!()
    };
    let mut inventory = Inventory::clone(&inventory);
    let mut service = Service::clone(&inventory.services[0]);
    service.external_ips = vec!["10.0.20.200".parse().unwrap()];
    inventory.services = vec![Arc::new(service)];
    let node = flow_model::inventory::Node {
        name: "n2".into(),
        labels: Default::default(),
        ips: vec!["10.0.20.2".parse().unwrap()],
        pod_cidrs: vec![],
        ..flow_model::inventory::Node::default()
    };
    inventory.nodes = vec![Arc::new(node)];
    let mut engine = Engine::new("n1");
    let attempt = |local: bool, inventory: &Inventory, engine: &mut Engine| {
        let mut inventory = inventory.clone();
        let mut service = Service::clone(&inventory.services[0]);
        service.external_local = local;
        inventory.services = vec![Arc::new(service)];
        engine.handle(Input::Cluster { inventory: Arc::new(inventory) }, at(0));
        let Input::Attempt(mut seen) = rejected(1) else { unreachable!() };
        (seen.tuple.src, seen.tuple.dst) = ("192.0.2.7".parse().unwrap(), "10.0.20.200".parse().unwrap());
        (seen.vantage, seen.outcome) = (Vantage::Transit, Outcome::Established);
        engine.handle(Input::Attempt(seen), at(1));
        verdict(&outputs(engine)).decision
    };
    assert_eq!(attempt(true, &inventory, &mut engine), Decision::Allow);
    assert_eq!(attempt(false, &inventory, &mut engine), Decision::Unknown);
}

#[test]
fn open_connections_are_reported_for_the_baseline_until_none_is_left() {
    let mut engine = Engine::new("n1");
    engine.handle(guarded(admitting(&["docs"])), at(0));
    let open = open(true);
    engine.handle(Input::Connections { opened: vec![open.clone()], closed: vec![] }, at(1));
    let flows = |engine: &mut Engine, ms| {
        engine.handle(Input::Tick, at(ms));
        let out = outputs(engine);
        out.into_iter().find_map(|o| if let Output::OpenFlows(flows) = o { Some(flows) } else { None })
    };
    let reported = flows(&mut engine, 2).unwrap();
    assert_eq!((reported.len(), reported[0].open, reported[0].since), (1, 1, at(0)));
    assert_eq!(reported[0].dst.pod.as_deref(), Some("pg-0"));
    assert_eq!(flows(&mut engine, 3), None, "not at every tick");
    engine.handle(Input::Connections { opened: vec![], closed: vec![open.tuple] }, at(4));
    assert_eq!(flows(&mut engine, 6_000), Some(vec![]));
}
