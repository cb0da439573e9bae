//! When silence proves that TCP announced nothing.

use super::*;

const SECOND: u64 = 1_000_000_000;

fn totals(announced: u64, failed: u64) -> Totals {
    Totals { announced, failed }
}

#[test]
fn silence_proves_something_while_the_map_has_room() {
    let mut all = Announced::default();
    all.note(SECOND, totals(10_000, 3));
    assert!(all.is_remembered_since(2 * SECOND, totals(10_000 + HELD, 3)));
    assert!(!all.is_remembered_since(2 * SECOND, totals(10_001 + HELD, 3)), "the oldest may have gone");
    assert!(!all.is_remembered_since(2 * SECOND, totals(10_001, 4)), "one was not noted");
}

#[test]
fn only_what_came_since_counts() {
    let mut all = Announced::default();
    for second in 1..=20 {
        all.note(second * SECOND, totals(second * 1_000, second));
    }
    let now = totals(21_000, 20);
    assert!(all.is_remembered_since(20 * SECOND + PASSAGE_NS, now));
    assert!(!all.is_remembered_since(19 * SECOND + PASSAGE_NS, now), "one of second 20 failed");
    assert!(!all.is_remembered_since(SECOND, now), "nothing is known of a time so long ago");
}

#[test]
fn nothing_is_known_before_the_first_note() {
    assert!(!Announced::default().is_remembered_since(SECOND, Totals::default()));
    let mut all = Announced::default();
    all.note(SECOND, Totals::default());
    assert!(
        !all.is_remembered_since(SECOND, Totals::default()),
        "it may have been announced before the note"
    );
}
