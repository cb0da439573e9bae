//! Entries that can be decoded, that can't, and none.

use flow_model::flow::RstOrigin;
use flow_model::input::LostStage;
use observer_abi::TransitReset;

use super::*;
use crate::probes::clock::Clock;
use crate::probes::convert::stranded;

const COUNTS: Counts = Counts { syn: 1, syn_retransmits: 0, rst: [[0; 3]; 2], outcomes: [0; 4] };

#[test]
fn an_entry_that_cannot_be_decoded_is_counted_in_the_remainder() {
    let entries = [2, 9].map(|vantage| TransitReset {
        vantage,
        by: observer_abi::Side::Server.byte(),
        ..TransitReset::default()
    });
    let clock = Clock::read();
    let resets = entries.iter().map(|reset| (COUNTS, stranded(reset, RstOrigin::default(), clock)));
    let inputs = once(resets, &mut Faults::default());
    let [Input::Pairs { deltas }, lost, Input::Reset(_)] = &inputs[..] else { panic!("{inputs:?}") };
    assert_eq!(*lost, Input::Lost { stage: LostStage::Decode, count: 1 });
    assert!(deltas[0].pair.is_some());
    assert_eq!(deltas[1], PairDelta { pair: None, counts: COUNTS });
    assert_eq!(deltas.iter().map(|delta| delta.counts.syn).sum::<i64>(), 2);
}

#[test]
fn no_entry_is_no_input() {
    assert_eq!(once([], &mut Faults::default()), []);
}
