//! Tests of when an attempt is over, how it ended, and what it counts.

use super::*;

const S: u64 = 1_000_000_000;

fn conn(last_s: u64) -> ConnValue {
    ConnValue { last_ns: last_s * S, syns: 1, ..ConnValue::default() }
}

#[test]
fn over_five_seconds_after_the_last_syn() {
    assert!(!is_over(&conn(10), 14 * S));
    assert!(is_over(&conn(10), 15 * S));
    assert!(!is_over(&conn(10), 9 * S), "a clock behind the entry's");
}

#[test]
fn an_answer_that_nobody_repeats_has_reached_its_client() {
    let answered = |answers, syns, flags| outcome(&ConnValue { answers, syns, flags, ..conn(1) });
    assert_eq!(answered(0, 1, 0), Outcome::Unanswered);
    assert_eq!(answered(1, 1, 0), Outcome::Established);
    assert_eq!(answered(1, 1, ConnValue::REFUSED), Outcome::Refused);
    assert_eq!(answered(1, 2, 0), Outcome::Unanswered, "the client repeated its SYN");
    assert_eq!(answered(2, 1, 0), Outcome::Unanswered, "the server repeated its answer");
    assert_eq!(answered(3, 3, ConnValue::REFUSED), Outcome::Unanswered);
}

#[test]
fn one_that_is_unanswered_counts_as_such() {
    assert_eq!(counts(Outcome::Unanswered).outcomes, [0, 0, 0, 1]);
}

#[test]
fn a_flood_is_counted_and_not_told_one_by_one() {
    let key = ConnKey { src: [1; 16], isn: 7, sport: 40_000, _pad: [0; 2] };
    let (clock, reasons) = (Clock::read(), Reasons::default());
    let how = Outcome::Unanswered;
    let flood =
        (0..MAX_REPORTS + 5).map(|_| (counts(how), convert::ended(&key, &conn(1), how, 0, clock, &reasons)));
    let mut inputs = convert::once(flood, &mut Faults::default());
    assert_eq!(limit(&mut inputs), 5);
    let told = inputs.iter().filter(|input| matches!(input, Input::Attempt(_))).count();
    let Some(Input::Pairs { deltas }) = inputs.first() else { panic!("no counts") };
    assert_eq!((told, deltas.len()), (MAX_REPORTS, MAX_REPORTS + 5));
}
