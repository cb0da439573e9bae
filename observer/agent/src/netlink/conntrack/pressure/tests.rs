use super::*;

const NAMES: &str = "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error";

#[test]
fn the_drops_of_all_processors_are_added() {
    let of = |lines: &str| dropped(&format!("{NAMES}\n{lines}"));
    assert_eq!(of("1 2 3 4 5 6 7 8 9 a 0000000b c d\n1 2 3 4 5 6 7 8 9 a 00000010 c d\n"), Some(0x1b));
    assert_eq!(of(""), Some(0));
    assert_eq!(of("1 2 3\n"), None, "cut");
    assert_eq!(of("1 2 3 4 5 6 7 8 9 a zz c d\n"), None);
    assert_eq!(dropped(""), None, "connection tracking isn't loaded");
    assert_eq!(dropped("entries found\n1 2\n"), None);
}

#[test]
fn a_table_is_full_near_its_limit() {
    assert!(is_full(Some(100), Some(100)));
    assert!(is_full(Some(95), Some(100)));
    assert!(!is_full(Some(94), Some(100)));
    assert!(!is_full(Some(94), Some(0)), "no limit");
    assert!(!is_full(None, Some(100)));
    assert!(is_full(Some(u64::MAX), Some(u64::MAX)));
}

#[test]
fn this_kernels_counters_are_read() {
    let counters = text(COUNTERS);
    assert_eq!(dropped(&counters).is_some(), !counters.is_empty(), "{counters}");
}
