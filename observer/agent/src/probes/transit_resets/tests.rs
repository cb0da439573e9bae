//! Tests of what a reset counts that did not leave.

use super::*;

#[test]
fn one_that_did_not_leave_is_an_orphan_of_its_sender() {
    let reset = |by: observer_abi::Side| TransitReset {
        time_ns: 0,
        src: [1; 16],
        dst: [2; 16],
        sport: 40_000,
        dport: 80,
        place: 0,
        vantage: 2,
        by: by.byte(),
        reported: 0,
        _pad: [0; 5],
    };
    assert_eq!(counts(&reset(observer_abi::Side::Server)).rst, [[0; 3], [0, 0, 1]]);
    assert_eq!(counts(&reset(observer_abi::Side::Client)).rst, [[0, 0, 1], [0; 3]]);
}
