//! Attempts without an answer become known seconds after their last SYN. What is true then may not have been true before.

use flow_model::decision::Decision;
use flow_model::finding::{FindingKind, State};
use flow_model::inventory::ServicePort;
use flow_model::record::Attempt;

use super::verdicts::{admitting, findings, guarded, outputs};
use super::*;

fn to_service(ms: i64, outcome: Outcome, sport: u16) -> AttemptSeen {
    let Input::Attempt(seen) = rejected(ms) else { unreachable!() };
    let backend = (outcome == Outcome::Established).then(|| ("10.42.0.12".parse().unwrap(), 5432));
    AttemptSeen { tuple: FlowTuple { sport, backend, ..seen.tuple }, outcome, icmp: None, ..seen }
}

fn attempts(outputs: &[Output]) -> Vec<&Attempt> {
    let attempt = |output| match output {
        &Output::Record(FlowRecord { event: Event::Attempt(ref attempt), .. }) => Some(attempt),
        _ => None,
    };
    outputs.iter().filter_map(attempt).collect()
}

#[test]
fn it_is_not_judged_by_policies_that_came_after_it() {
    for (changed, decision, kind) in [
        (9_000, Decision::Unknown, FindingKind::Unanswered),
        (2_000, Decision::Deny, FindingKind::PolicyDenied),
    ] {
        let mut engine = Engine::new("n1");
        engine.handle(guarded(admitting(&["docs"])), at(0));
        engine.handle(guarded(admitting(&["app"])), at(changed));
        engine.handle(Input::Attempt(to_service(10_000, Outcome::Unanswered, 40_000)), at(10_000));
        engine.handle(Input::Tick, at(20_000));
        let out = outputs(&mut engine);
        let verdict = attempts(&out)[0].verdict.as_ref().unwrap();
        assert_eq!(verdict.decision, decision, "{verdict:?}");
        let kinds: Vec<_> = findings(&out).iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, [kind], "changed at {changed}");
    }
}

/// The client gave up, tried again and succeeded.
#[test]
fn it_is_no_finding_once_its_client_reached_the_server() {
    for (reached, expected) in [(6_000, vec![]), (4_000, vec![FindingKind::Unanswered])] {
        let mut engine = Engine::new("n1");
        engine.handle(guarded(admitting(&["docs"])), at(0));
        engine.handle(Input::Attempt(to_service(reached, Outcome::Established, 40_001)), at(reached));
        engine.handle(Input::Attempt(to_service(10_000, Outcome::Unanswered, 40_000)), at(10_000));
        engine.handle(Input::Tick, at(30_000));
        let out = outputs(&mut engine);
        assert_eq!(attempts(&out).len(), 2, "both are recorded");
        let kinds: Vec<_> = findings(&out).iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, expected, "reached at {reached}");
    }
}

/// The Service has another name or port than its backend, which no refusal without a backend can know.
#[test]
fn a_service_that_works_again_is_no_finding_any_more() {
    let with_port = |input: Input| {
        let Input::Cluster { inventory } = input else { unreachable!() };
        let mut inventory = Inventory::clone(&inventory);
        let mut service = Service::clone(&inventory.services[0]);
        service.ports = vec![ServicePort { port: 6432, ..service.ports[0].clone() }];
        inventory.services = vec![Arc::new(service)];
        Input::Cluster { inventory: Arc::new(inventory) }
    };
    let by_port = |seen: AttemptSeen| {
        Input::Attempt(AttemptSeen { tuple: FlowTuple { dport: 6432, ..seen.tuple }, ..seen })
    };
    let mut engine = Engine::new("n1");
    engine.handle(with_port(cluster()), at(0));
    engine.handle(by_port(to_service(70_000, Outcome::Refused, 40_000)), at(70_000));
    engine.handle(by_port(to_service(71_000, Outcome::Established, 40_001)), at(71_000));
    for second in 72..200 {
        engine.handle(Input::Tick, at(second * 1_000));
    }
    let out = outputs(&mut engine);
    let [begun, .., ended] = &findings(&out)[..] else { panic!("{out:?}") };
    assert_eq!((begun.kind, begun.state), (FindingKind::ServiceRefused, State::Active));
    assert_eq!((&ended.id, ended.state), (&begun.id, State::Resolved), "{ended:?}");
}
