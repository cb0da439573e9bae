use rstest::rstest;

use super::*;
use crate::sink::testing::{finding, resolved};

fn active(id: &str, summary: &str) -> Finding {
    Finding { subject: "s".into(), summary: summary.into(), ..finding(id, 1) }
}

fn over(id: &str) -> Finding {
    resolved(active(id, "x"), 2)
}

fn names(changes: &[(Change, Finding)]) -> String {
    let names = changes.iter().map(|(change, finding)| format!("{change} {}", finding.id));
    names.collect::<Vec<_>>().join(", ")
}

#[rstest]
#[case(vec![], vec![], "")]
#[case(vec![], vec![active("a", "x")], "new a")]
#[case(vec![], vec![over("a")], "resolved a")]
#[case(vec![active("a", "x")], vec![active("a", "x")], "")]
#[case(vec![active("a", "x")], vec![active("a", "y")], "changed a")]
#[case(vec![active("a", "x")], vec![active("b", "x")], "")]
#[case(vec![active("a", "x")], vec![over("a")], "resolved a")]
#[case(vec![active("a", "x")], vec![], "")]
#[case(vec![over("a")], vec![over("a")], "")]
#[case(vec![over("a")], vec![over("b"), over("a")], "resolved b")]
#[case(vec![over("a")], vec![active("b", "x"), over("a")], "new b")]
#[case(vec![active("b", "x"), over("a")], vec![active("b", "x"), over("a")], "")]
fn changes_are_found(#[case] before: Vec<Finding>, #[case] now: Vec<Finding>, #[case] wanted: &str) {
    let mut changes = Changes::default();
    let present = names(&changes.since_last(before.clone()));
    let all: Vec<_> = before.iter().map(|finding| format!("present {}", finding.id)).collect();
    assert_eq!(present, all.join(", "));
    assert_eq!(names(&changes.since_last(now.clone())), wanted);
    assert_eq!(names(&changes.since_last(now)), "", "nothing is told twice");
}

#[test]
fn a_new_cause_is_a_change() {
    let mut changes = Changes::default();
    changes.since_last(vec![active("a", "x")]);
    let caused = Finding { cause: Some("helm".into()), ..active("a", "x") };
    assert_eq!(names(&changes.since_last(vec![caused])), "changed a");
}

#[test]
fn an_agent_that_was_away_brings_nothing_new() {
    let mut changes = Changes::default();
    changes.since_last(vec![active("a", "x")]);
    assert_eq!(names(&changes.since_last(vec![])), "");
    assert_eq!(names(&changes.since_last(vec![active("a", "x")])), "");
}
