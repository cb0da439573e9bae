//! The enforcer's log beside refused attempts.

use flow_model::decision::Decision;
use flow_model::input::LoggedSyn;
use flow_model::policies::NetworkPolicy;
use flow_model::record::{Attempt, Drop, EnforcerStatement};
use flow_model::testing::{Cluster, policy};

use super::*;

fn logged(ms: i64) -> Input {
    Input::Logged(LoggedSyn {
        time: at(ms),
        src: "10.42.0.10".parse().unwrap(),
        sport: 40_000,
        isn: 77,
        policy: Some("postgres/lockdown".into()),
    })
}

fn attempts(engine: &mut Engine) -> Vec<Attempt> {
    let attempt = |event| if let Event::Attempt(attempt) = event { Some(attempt) } else { None };
    records(engine).into_iter().filter_map(attempt).collect()
}

fn drops(engine: &mut Engine) -> Vec<Drop> {
    let drop = |event| if let Event::Drop(drop) = event { Some(drop) } else { None };
    records(engine).into_iter().filter_map(drop).collect()
}

fn engine(read: bool) -> Engine {
    let mut engine = Engine::new("n1");
    engine.handle(cluster(), at(0));
    engine.handle(Input::EnforcerLog { read }, at(0));
    engine
}

/// Returns the attempt that a refusal, its drop and its line become, in these orders.
fn joined(inputs: [Input; 3]) -> Attempt {
    let mut engine = engine(true);
    for (n, input) in inputs.into_iter().enumerate() {
        assert_eq!(attempts(&mut engine), [], "before input {n}");
        engine.handle(input, at(10));
    }
    let mut attempts = attempts(&mut engine);
    assert_eq!(attempts.len(), 1, "released by the last input, before its time is over");
    attempts.remove(0)
}

#[test]
fn a_refusal_its_drop_and_its_line_are_joined_in_any_order() {
    for inputs in [
        [rejected(10), dropped(10), logged(10)],
        [rejected(10), logged(10), dropped(10)],
        [logged(10), rejected(10), dropped(10)],
    ] {
        let attempt = joined(inputs);
        assert_eq!(attempt.enforcer, Some(EnforcerStatement::Logged));
        assert_eq!(attempt.enforcer_policy.as_deref(), Some("postgres/lockdown"));
        assert_eq!(attempt.drop_reason.as_deref(), Some("NETFILTER_DROP"));
        assert_eq!(attempt.dst.backend_ip, Some("10.42.0.12".parse().unwrap()));
    }
}

#[test]
fn without_a_line_nothing_is_claimed_and_the_refusal_is_soon_reported() {
    let mut engine = engine(true);
    engine.handle(rejected(10), at(10));
    engine.handle(dropped(10), at(10));
    assert_eq!(attempts(&mut engine), []);
    engine.handle(Input::Tick, at(110));
    let attempts = attempts(&mut engine);
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].enforcer, &attempts[0].enforcer_policy), (None, &None));
    assert_eq!(attempts[0].drop_reason.as_deref(), Some("NETFILTER_DROP"));
}

/// The policies change while a refusal waits for its line.
#[test]
fn a_refusal_is_judged_by_the_policies_that_it_met() {
    let Input::Cluster { inventory } = cluster() else { unreachable!() };
    let with = |policy: NetworkPolicy| {
        let policies = Cluster::default().policy(policy).inventory.policies;
        Input::Cluster { inventory: Arc::new(Inventory { policies, ..Inventory::clone(&inventory) }) }
    };
    let mut engine = engine(true);
    engine.handle(with(policy("postgres", "closed").ingress(&[])), at(0));
    engine.handle(rejected(10), at(10));
    engine.handle(dropped(10), at(10));
    assert_eq!(attempts(&mut engine), []);
    engine.handle(with(policy("postgres", "closed").ingress(&[""])), at(11));
    let [attempt] = &attempts(&mut engine)[..] else { panic!("not one attempt") };
    let verdict = attempt.verdict.as_ref().unwrap();
    assert_eq!(verdict.decision, Decision::Deny, "{verdict:?}");
}

#[test]
fn where_the_log_is_not_read_nothing_waits_for_it() {
    let mut engine = engine(true);
    engine.handle(Input::EnforcerLog { read: false }, at(0));
    engine.handle(rejected(10), at(10));
    engine.handle(dropped(10), at(10));
    assert_eq!(attempts(&mut engine).len(), 1);
}

#[test]
fn the_evidence_of_a_contradiction_has_the_line() {
    let mut engine = engine(true);
    for input in [rejected(60_000), dropped(60_000), logged(60_000)] {
        engine.handle(input, at(60_000));
    }
    let findings = std::iter::from_fn(|| engine.next_output());
    let finding = |output| if let Output::Finding(update) = output { Some(update.finding) } else { None };
    let findings: Vec<_> = findings.filter_map(finding).collect();
    let [mismatch] = &findings[..] else { panic!("{findings:?}") };
    assert_eq!(mismatch.kind, flow_model::finding::FindingKind::EnforcementMismatch);
    let text = &mismatch.evidence[0].text;
    assert!(text.ends_with("logged by the enforcer (policy postgres/lockdown)"), "{text}");
}

/// The attempt is on the client's node, whose log knows nothing of it.
#[test]
fn a_dropped_syn_without_an_attempt_is_joined_with_its_line() {
    for (first, second) in [(dropped(10), logged(10)), (logged(10), dropped(10))] {
        let mut engine = engine(true);
        engine.handle(first, at(10));
        assert_eq!(drops(&mut engine), []);
        engine.handle(second, at(10));
        let drops = drops(&mut engine);
        assert_eq!(drops.len(), 1, "released by the second input");
        assert_eq!(drops[0].enforcer, Some(EnforcerStatement::Logged));
        assert_eq!(drops[0].enforcer_policy.as_deref(), Some("postgres/lockdown"));
        let decision = drops[0].verdict.as_ref().map(|verdict| verdict.decision);
        assert_eq!(decision, Some(Decision::Allow), "no policy selects the server");
    }
}

#[test]
fn the_record_of_a_refusal_and_that_of_its_drop_say_the_same_of_the_line() {
    for inputs in [[rejected(10), dropped(10), logged(10)], [logged(10), rejected(10), dropped(10)]] {
        let mut engine = engine(true);
        inputs.into_iter().for_each(|input| engine.handle(input, at(10)));
        let statements: Vec<_> = records(&mut engine)
            .iter()
            .map(|event| match event {
                Event::Attempt(attempt) => attempt.enforcer,
                Event::Drop(drop) => drop.enforcer,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(statements, [Some(EnforcerStatement::Logged); 2]);
    }
}

#[test]
fn a_drop_waits_for_a_line_only_where_one_may_come() {
    let mut unread = engine(false);
    unread.handle(dropped(10), at(10));
    assert_eq!(drops(&mut unread).len(), 1, "the log is not read");

    let mut patient = engine(true);
    let Input::Drop(syn) = dropped(10) else { unreachable!() };
    patient.handle(Input::Drop(DropSeen { tcp_flags: 0x10, ..syn }), at(10));
    assert_eq!(drops(&mut patient).len(), 1, "only SYNs are logged");
    patient.handle(dropped(10), at(10));
    assert_eq!(drops(&mut patient), []);
    patient.handle(Input::Tick, at(110));
    let drops = drops(&mut patient);
    assert_eq!((drops.len(), drops[0].enforcer), (1, None));
}

#[test]
fn no_drop_is_forgotten() {
    for last in [cluster(), Input::Tick] {
        let mut engine = engine(true);
        engine.handle(dropped(10), at(10));
        engine.handle(last, at(11));
        engine.finish();
        assert_eq!(drops(&mut engine).len(), 1);
    }
    let mut engine = engine(true);
    let many = u32::try_from(drops::LIMIT).unwrap() + 1;
    for seq in 0..many {
        let Input::Drop(seen) = dropped(10) else { unreachable!() };
        engine.handle(Input::Drop(DropSeen { seq, ..seen }), at(10));
    }
    assert_eq!(drops(&mut engine).len(), 1, "the oldest makes room");
}
