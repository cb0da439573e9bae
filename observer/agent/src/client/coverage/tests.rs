use super::*;
use crate::client::print::testing::look;
use crate::sink::testing::at;

fn info(node: &str, started: i64, nodes: &[&str]) -> AgentInfo {
    AgentInfo { node: node.into(), started: at(started), nodes: nodes.iter().map(|n| (*n).into()).collect() }
}

fn absent(node: &str, reason: &str) -> Absent {
    Absent { node: node.into(), reason: reason.into() }
}

fn notes(coverage: &Coverage) -> String {
    let mut notes = Vec::new();
    coverage.note(&mut notes).unwrap();
    String::from_utf8(notes).unwrap()
}

#[test]
fn one_of_three_nodes_is_named_as_such() {
    let one = info("n1", 0, &["n1", "n2", "n3"]);
    let coverage = Coverage::new([(None, Some(&one))], vec![], Some("it was not asked"));
    assert_eq!(coverage.missing, ["n2", "n3"].map(|node| absent(node, "it was not asked")));
    assert_eq!(
        notes(&coverage),
        "flow-observer: this is what the agents of 1 of 3 nodes know: n1; not n2, n3\n"
    );
}

#[test]
fn all_nodes_need_no_note() {
    let both = ["n1", "n2"].map(|node| info(node, 0, &["n1", "n2"]));
    let coverage = Coverage::new(both.iter().map(|info| (None, Some(info))), vec![], Some(""));
    assert_eq!((notes(&coverage).as_str(), coverage.missing.len()), ("", 0));
}

#[test]
fn a_list_of_the_nodes_counts_more_than_what_agents_know() {
    let one = info("n1", 0, &["n1", "deleted"]);
    assert_eq!(Coverage::new([(None, Some(&one))], vec![], None).missing, []);
}

#[test]
fn what_a_request_met_is_the_better_reason_and_an_unready_agent_is_asked_all_the_same() {
    let one = info("n1", 0, &["n1", "n2"]);
    let missing = vec![absent("n1", "not ready"), absent("n2", "refused")];
    let coverage = Coverage::new([(Some("n1".into()), Some(&one))], missing.clone(), Some("other"));
    assert_eq!(coverage.missing, missing);
    assert_eq!(notes(&coverage), "flow-observer: this is what the agents of 1 of 2 nodes know: n1; not n2\n");
}

#[test]
fn an_agent_of_an_earlier_release_is_one_that_says_nothing_of_itself() {
    let coverage = Coverage::new([(Some("n1".into()), None), (None, None)], vec![], Some(""));
    assert_eq!(coverage.asked, [AskedNode { node: "n1".into(), started: None }]);
    assert_eq!(notes(&coverage), "");
}

#[test]
fn only_agents_that_started_within_the_hour_forgot_something() {
    let (old, young) = (info("n1", 0, &[]), info("n2", 3_000, &[]));
    let coverage = Coverage::new([(None, Some(&old)), (None, Some(&young))], vec![], Some(""));
    let mut notes = Vec::new();
    coverage.note_memory(&look(false), at(3_601), &mut notes).unwrap();
    let expected = "flow-observer: what ended before is forgotten: node n2 remembers since 2026-11-18 11:56:40, its agent's start\n";
    assert_eq!(String::from_utf8(notes).unwrap(), expected);
    assert_eq!(coverage.first_start(), Some(at(0)));
}
