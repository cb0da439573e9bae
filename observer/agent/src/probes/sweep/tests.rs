//! Tests of when an entry is reported, when it is removed, and what it counts.

use flow_model::input::{LostStage, PairDelta};

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
fn an_entry_that_cannot_be_decoded_is_counted_in_the_remainder() {
    let key = ConnKey { src: [1; 16], isn: 7, sport: 40_000, _pad: [0; 2] };
    let entries = [0, 9].map(|vantage| ConnValue { vantage, ..conn(ConnValue::PENDING, 1) });
    let (clock, reasons) = (Clock::read(), Reasons::default());
    let attempts = entries.iter().map(|conn| convert::unanswered(&key, conn, 0, clock, &reasons));
    let inputs = convert::once(attempts, one(), &mut Faults::default());
    let [Input::Attempt(_), lost, Input::Pairs { deltas }] = &inputs[..] else { panic!("{inputs:?}") };
    assert_eq!(*lost, Input::Lost { stage: LostStage::Decode, count: 1 });
    assert!(deltas[0].pair.is_some());
    assert_eq!(deltas[1], PairDelta { pair: None, counts: one() });
    assert_eq!(deltas.iter().map(|delta| delta.counts.outcomes[3]).sum::<i64>(), 2);
}
