//! Tests of when an entry is reported, when it is removed, and what it counts.

use super::*;

fn conn(outcome: u8, last_s: u64) -> ConnValue {
    ConnValue {
        first_ns: 0,
        last_ns: last_s * 1_000_000_000,
        dst: [0; 16],
        backend: [0; 16],
        dport: 0,
        backend_port: 0,
        syns: 1,
        drop_reason: 0,
        outcome,
        vantage: 0,
        _pad: [0; 2],
    }
}

#[test]
fn unanswered_five_seconds_after_the_last_syn() {
    let at = |s: u64| s * 1_000_000_000;
    assert_eq!(step(&conn(ConnValue::PENDING, 10), at(14), false), Step::Keep);
    assert_eq!(step(&conn(ConnValue::PENDING, 10), at(15), false), Step::Report);
    assert_eq!(step(&conn(Outcome::Unanswered.byte(), 10), at(74), false), Step::Keep);
    assert_eq!(step(&conn(Outcome::Unanswered.byte(), 10), at(80), false), Step::Remove);
    assert_eq!(step(&conn(Outcome::Unanswered.byte(), 10), at(16), true), Step::Remove);
    assert_eq!(step(&conn(Outcome::Rejected.byte(), 10), at(19), false), Step::Keep);
    assert_eq!(step(&conn(Outcome::Rejected.byte(), 10), at(20), false), Step::Remove);
    assert_eq!(step(&conn(ConnValue::PENDING, 10), at(9), false), Step::Keep, "a clock behind the entry's");
}

#[test]
fn one_that_is_unanswered_counts_as_such() {
    assert_eq!(one().outcomes, [0, 0, 0, 1]);
}
