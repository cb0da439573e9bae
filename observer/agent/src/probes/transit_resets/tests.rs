//! Tests of what a reset counts that did not leave.

use flow_model::input::{LostStage, PairDelta};

use super::*;

#[test]
fn an_entry_that_cannot_be_decoded_is_counted_in_the_remainder() {
    let entries = [2, 9].map(|vantage| TransitReset {
        time_ns: 0,
        src: [1; 16],
        dst: [2; 16],
        sport: 40_000,
        dport: 80,
        vantage,
        _pad: [0; 3],
    });
    let clock = Clock::read();
    let resets = entries.iter().map(|reset| convert::stranded(reset, clock));
    let inputs = convert::once(resets, one(), &mut Faults::default());
    let [Input::Reset(_), lost, Input::Pairs { deltas }] = &inputs[..] else { panic!("{inputs:?}") };
    assert_eq!(*lost, Input::Lost { stage: LostStage::Decode, count: 1 });
    assert!(deltas[0].pair.is_some());
    assert_eq!(deltas[1], PairDelta { pair: None, counts: one() });
    assert_eq!(deltas.iter().map(|delta| delta.counts.rst[1][2]).sum::<i64>(), 2);
}

#[test]
fn no_entry_is_no_input() {
    assert_eq!(convert::once([], one(), &mut Faults::default()), []);
}
