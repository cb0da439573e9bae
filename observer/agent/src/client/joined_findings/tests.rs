use flow_model::finding::Severity;

use super::*;
use crate::sink::testing::{at, finding, resolved};

#[test]
fn a_finding_of_two_nodes_is_reported_once() {
    let evidence = |second: i64| Evidence { time: at(second), text: format!("at {second}") };
    let here = Finding {
        count: 9,
        first_seen: at(0),
        nodes: vec!["node2".into()],
        evidence: vec![evidence(1), evidence(3)],
        cause: Some("policy p changed".into()),
        ..finding("a", 3)
    };
    let there = Finding {
        count: 4,
        severity: Severity::Critical,
        nodes: vec!["node1".into(), "node2".into()],
        evidence: vec![evidence(2), evidence(3)],
        summary: "newer".into(),
        ..finding("a", 5)
    };
    let over = resolved(finding("b", 9), 9);
    let expected = Finding {
        count: 9,
        severity: Severity::Critical,
        first_seen: at(0),
        last_seen: at(5),
        nodes: vec!["node1".into(), "node2".into()],
        evidence: vec![evidence(1), evidence(2), evidence(3)],
        summary: "newer".into(),
        cause: Some("policy p changed".into()),
        ..finding("a", 5)
    };
    for order in [[&here, &over, &there], [&there, &here, &over]] {
        assert_eq!(join(order.into_iter().cloned()), [expected.clone(), over.clone()]);
    }
}

#[test]
fn a_finding_is_resolved_when_every_node_has_resolved_it() {
    let [first, last] = [resolved(finding("a", 1), 2), resolved(finding("a", 3), 4)];
    let both = join([first.clone(), last.clone()]);
    assert_eq!((both[0].state, both[0].resolved_at), (State::Resolved, Some(at(4))));
    let active = Finding { summary: "goes on".into(), ..finding("a", 2) };
    let all = join([first, active, last]);
    assert_eq!((all[0].state, all[0].resolved_at, all[0].last_seen), (State::Active, None, at(3)));
    assert_eq!(all[0].summary, "goes on");
}
