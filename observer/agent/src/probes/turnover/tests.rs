//! Tests of the count of lost handshakes.

use super::*;

#[test]
fn what_is_neither_there_nor_removed_is_lost_once() {
    let mut lost = Lost { removed: 5, reported: 0 };
    assert_eq!(lost.more(100, 20, 75), 0);
    assert_eq!(lost.more(100, 20, 60), 15);
    assert_eq!(lost.more(100, 20, 60), 0, "reported already");
    assert_eq!(lost.more(110, 30, 75), 0, "entries that came after the count hide some for a while");
    assert_eq!(lost.more(110, 40, 40), 10);
}
