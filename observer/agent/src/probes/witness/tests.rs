//! How many attempts are too many.

use super::*;

#[test]
fn nothing_is_claimed_before_two_looks_nor_in_a_flood() {
    let mut pace = Pace::default();
    let looks = [10, 20, 30, 4_000, 8_000, 12_000, 12_010, 12_020, 12_030];
    let calm = looks.map(|begun| pace.is_calm(Some(begun)));
    assert_eq!(calm, [false, false, true, true, true, true, true, true, true]);
    let flood = [20_000, 30_000, 40_000, 40_010, 40_020].map(|begun| pace.is_calm(Some(begun)));
    assert_eq!(flood, [true, false, false, false, true], "{pace:?}");
}

#[test]
fn counts_that_cannot_be_read_are_no_calm() {
    let mut pace = Pace::default();
    let looks = [Some(1), Some(1), None, Some(1), Some(1), Some(1)].map(|begun| pace.is_calm(begun));
    assert_eq!(looks, [false, false, false, false, false, true]);
}
