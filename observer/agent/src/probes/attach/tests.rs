//! The position of our programs among others.

use super::*;

fn at(ingress: &[&str], egress: &[&str]) -> Position {
    let names =
        |names: &[&str]| names.iter().map(|name| (*name != "ours").then(|| (*name).to_owned())).collect();
    position(&[names(ingress), names(egress)])
}

#[test]
fn whoever_runs_first_may_hide_packets_from_us() {
    assert_eq!(at(&["ours", "theirs"], &["ours"]), Position::First);
    assert_eq!(at(&["ours"], &["theirs", "ours"]), Position::Behind("theirs".into()));
    assert_eq!(at(&["theirs", "ours"], &["others", "ours"]), Position::Behind("theirs".into()));
    assert_eq!(at(&["ours"], &["theirs"]), Position::Gone, "in one direction");
    assert_eq!(at(&[], &[]), Position::Gone);
}
