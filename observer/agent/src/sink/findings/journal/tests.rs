use super::*;
use crate::sink::testing::at;

#[test]
fn a_burst_then_a_trickle_that_says_what_is_missing() {
    let mut budget = Journal::new().budget;
    let written = (0..1000).filter(|_| budget.take(at(0)) == Some(0)).count();
    assert_eq!(written, 50);
    assert_eq!(budget.take(at(1)), None);
    assert_eq!(budget.take(at(2)), Some(951));
    assert_eq!(budget.take(at(2)), None);
    let after_a_day = (0..1000).filter(|_| budget.take(at(86_400)).is_some()).count();
    assert_eq!(after_a_day, 50);
    assert!(budget.take(at(80_000)).is_some(), "the clock was set back");
}
