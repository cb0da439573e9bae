//! Counters of pairs wait for the names of young pods, as attempts do.

use flow_model::output::PairUpdate;

use super::*;

const YOUNG: &str = "10.42.0.77";

fn counted(src: &str, dst: &str) -> Input {
    let pair =
        Pair { src: src.parse().unwrap(), dst: dst.parse().unwrap(), dport: 5432, vantage: Vantage::Source };
    let counts = Counts { syn: 7, ..Counts::default() };
    Input::Pairs { deltas: vec![PairDelta { pair: Some(pair), counts }] }
}

/// Returns what was counted: the pods of both sides, and the SYNs.
fn counts(engine: &mut Engine) -> Vec<(Option<String>, Option<String>, i64)> {
    let update = |output| match output {
        Output::Pair(PairUpdate { pair: Some((_, src, dst)), counts, .. }) => {
            let name = |endpoint: flow_model::record::Endpoint| endpoint.pod.map(|pod| pod.to_string());
            Some((name(src), name(dst), counts.syn))
        }
        _ => None,
    };
    std::iter::from_fn(|| engine.next_output()).filter_map(update).collect()
}

fn named(src: &str, dst: &str) -> Vec<(Option<String>, Option<String>, i64)> {
    vec![(Some(src.to_owned()), Some(dst.to_owned()), 7)]
}

#[test]
fn a_young_clients_counters_get_its_name() {
    let mut engine = Engine::new("n1");
    engine.handle(young(&[]), at(0));
    engine.handle(counted(YOUNG, "10.42.0.12"), at(10));
    engine.handle(counted("10.42.0.10", "10.42.0.12"), at(20));
    assert_eq!(counts(&mut engine), named("docs-1", "pg-0"), "those with names don't wait");
    engine.handle(young(&[(YOUNG, 5)]), at(1_000));
    assert_eq!(counts(&mut engine), named("docs-2", "pg-0"));
}

#[test]
fn so_do_those_of_a_young_server() {
    let mut engine = Engine::new("n1");
    engine.handle(young(&[]), at(0));
    engine.handle(counted("10.42.0.10", YOUNG), at(10));
    assert_eq!(counts(&mut engine), []);
    engine.handle(young(&[(YOUNG, 5)]), at(1_000));
    assert_eq!(counts(&mut engine), named("docs-1", "docs-2"));
}

#[test]
fn an_address_that_stays_without_a_name_is_counted_once_and_does_not_wait_again() {
    let nameless = [(None, Some("pg-0".to_owned()), 7)];
    let mut engine = Engine::new("n1");
    engine.handle(young(&[]), at(0));
    engine.handle(counted(YOUNG, "10.42.0.12"), at(10));
    engine.handle(Input::Tick, at(3_009));
    assert_eq!(counts(&mut engine), []);
    engine.handle(Input::Tick, at(3_010));
    assert_eq!(counts(&mut engine), nameless);
    engine.handle(counted(YOUNG, "10.42.0.12"), at(3_020));
    assert_eq!(counts(&mut engine), nameless);
    // Its peer had a name, and waits for nothing.
    engine.handle(counted("10.42.0.12", "10.42.0.10"), at(3_030));
    assert_eq!(counts(&mut engine), named("pg-0", "docs-1"));
}

#[test]
fn the_end_of_the_agent_counts_what_waits() {
    let mut engine = Engine::new("n1");
    engine.handle(young(&[]), at(0));
    engine.handle(counted(YOUNG, "10.42.0.12"), at(10));
    engine.finish();
    assert_eq!(counts(&mut engine), [(None, Some("pg-0".to_owned()), 7)]);
}

/// An agent that is killed has handled what waits: the next one goes on with it.
#[test]
fn the_next_agent_goes_on_waiting() {
    let mut killed = Engine::new("n1");
    killed.handle(young(&[]), at(0));
    killed.handle(counted(YOUNG, "10.42.0.12"), at(10));
    let mut next = Engine::new("n1");
    next.restore_waiting(killed.waiting_counts(), at(500));
    assert_eq!(counts(&mut next), []);
    next.handle(young(&[(YOUNG, 5)]), at(1_000));
    assert_eq!(counts(&mut next), named("docs-2", "pg-0"));
    assert_eq!(next.waiting_counts(), []);
}
