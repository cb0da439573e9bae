use flow_model::finding::{Evidence, Severity};

use super::*;
use crate::sink::testing::{at, finding, resolved};

mod model;

/// Returns an episode of the subject `s`, active since this second.
fn episode(id: &str, since: i64) -> Finding {
    Finding { subject: "s".into(), ..finding(id, since) }
}

fn on(node: &str, finding: Finding) -> Finding {
    Finding { nodes: vec![node.into()], ..finding }
}

#[test]
fn a_finding_of_two_nodes_is_reported_once() {
    let evidence = |second: i64| Evidence { time: at(second), text: format!("at {second}") };
    let here = Finding {
        count: 9,
        nodes: vec!["node2".into()],
        evidence: vec![evidence(1), evidence(3)],
        cause: Some("policy p changed".into()),
        last_seen: at(3),
        ..finding("a", 0)
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

/// One node has an old episode, another sees a new one.
#[test]
fn what_is_active_takes_nothing_from_what_has_ended() {
    let mended = Finding {
        cause: Some("policy p changed at 05:23".into()),
        cause_at: Some(at(-5)),
        count: 613,
        ..on("node1", resolved(episode("old", 0), 60))
    };
    let again = Finding { count: 2, ..on("node2", episode("new", 120)) };
    let joined = join([mended.clone(), again.clone()]);
    assert_eq!(joined, [again.clone(), mended.clone()]);
    assert_eq!(join([again, mended]), joined);
}

#[test]
fn an_end_on_one_node_is_no_end_while_it_goes_on_elsewhere() {
    let [first, last] =
        [on("node1", resolved(episode("a", 1), 2)), on("node3", resolved(episode("b", 3), 4))];
    let active = Finding { summary: "goes on".into(), ..on("node2", episode("c", 2)) };
    let [joined, over] = &join([first, active, last])[..] else { panic!() };
    assert_eq!((joined.state, joined.ended, joined.ended_because.as_ref()), (State::Active, None, None));
    assert_eq!((joined.summary.as_str(), joined.first_seen, joined.last_seen), ("goes on", at(2), at(2)));
    assert_eq!(joined.nodes, ["node2", "node3"], "it had ended on node1 when it began on node2");
    assert_eq!((over.id.as_str(), over.state), ("a", State::Resolved));
}

#[test]
fn episodes_that_overlap_are_one_which_ends_where_it_ends_last() {
    let because = |text: &str, finding: Finding| Finding { ended_because: Some(text.into()), ..finding };
    let first = because("quiet", on("node1", resolved(episode("a", 1), 5)));
    let last = because("allowed", on("node2", resolved(episode("b", 3), 9)));
    let later = Finding { previous: Some("b".into()), ..on("node2", resolved(episode("c", 9), 12)) };
    let [newer, older] = &join([later, last, first])[..] else { panic!() };
    assert_eq!((older.id.as_str(), older.first_seen, older.ended), ("a", at(1), Some(at(9))));
    assert_eq!(older.ended_because.as_deref(), Some("allowed"));
    assert_eq!((newer.id.as_str(), newer.previous.as_deref()), ("c", Some("a")), "as it is called here");
}

#[test]
fn the_cause_is_from_before_the_first_node_saw_it() {
    let caused = |text: &str, second, finding: Finding| Finding {
        cause: Some(text.into()),
        cause_at: Some(at(second)),
        ..finding
    };
    let unknown = on("node1", episode("a", 10));
    let late = caused("later", 11, on("node2", episode("b", 12)));
    assert_eq!(join([late.clone(), unknown.clone()])[0].cause, None);
    let early = caused("before", 9, on("node3", episode("c", 13)));
    assert_eq!(join([late, early, unknown])[0].cause.as_deref(), Some("before"));
}

#[test]
fn the_node_that_sees_most_open_connections_speaks() {
    let latent = |count, second| Finding {
        kind: FindingKind::LatentDenial,
        count,
        summary: format!("{count} open connections"),
        last_seen: at(second),
        ..episode("a", 0)
    };
    let joined = join([on("node1", latent(2, 5)), on("node2", latent(1, 9))]);
    assert_eq!((joined[0].summary.as_str(), joined[0].count), ("2 open connections", 2));
}
