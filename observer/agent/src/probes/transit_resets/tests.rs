//! Tests of what a reset counts that did not leave.

use super::*;

#[test]
fn one_that_did_not_leave_is_a_servers_orphan() {
    assert_eq!(one().rst, [[0; 3], [0, 0, 1]]);
}
