//! Intervals by the cost of a read.

use super::*;

#[test]
fn an_expensive_table_is_read_seldom() {
    let pace = |ms| Pace::after(Duration::from_millis(ms));
    let of = |every, at_least| Pace {
        every: Duration::from_millis(every),
        at_least: Duration::from_millis(at_least),
    };
    assert_eq!(pace(0), of(2_000, 0));
    assert_eq!(pace(5), of(2_000, 50));
    assert_eq!(pace(100), of(10_000, 1_000));
    assert_eq!(pace(2_000), of(60_000, 20_000));
    assert_eq!(pace(60_000), of(60_000, 60_000));
}
