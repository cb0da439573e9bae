//! Tests of what a reset counts that did not leave.

use super::*;

#[test]
fn one_that_did_not_leave_is_an_orphan_of_its_sender() {
    let reset = |by: observer_abi::Side| TransitReset { by: by.byte(), ..TransitReset::default() };
    assert_eq!(counts(&reset(observer_abi::Side::Server)).rst, [[0; 3], [0, 0, 1]]);
    assert_eq!(counts(&reset(observer_abi::Side::Client)).rst, [[0, 0, 1], [0; 3]]);
}
