//! Arithmetic of the drain.

use super::*;

#[test]
fn a_correction_is_a_negative_delta() {
    let before = Counters { syn: 3, ..Counters::default() };
    let mut after = before;
    after.syn = after.syn.wrapping_sub(4);
    assert_eq!(convert::counts(&subtract(&after, &before)).syn, -4);
    assert_eq!(add(&before, &before).syn, 6);
}

#[test]
fn counts_of_an_unknown_vantage_go_to_the_remainder_and_are_counted_as_undecodable() {
    let key = |vantage| PairKey { src: [1; 16], dst: [2; 16], dport: 80, vantage, _pad: 0 };
    let counters = Counters { syn: 5, ..Counters::default() };
    let mut faults = Faults::default();
    let deltas = pair_deltas(&[(key(0), counters), (key(9), counters)], &mut faults);
    assert_eq!(deltas.iter().map(|delta| delta.pair.is_some()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(deltas.iter().map(|delta| delta.counts.syn).sum::<i64>(), 10);
    let expected = Input::Lost { stage: LostStage::Decode, count: 1 };
    assert_eq!(inputs(vec![], faults.take(), deltas, vec![])[0], expected);
}
