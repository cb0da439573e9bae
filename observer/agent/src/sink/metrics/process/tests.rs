use super::*;

#[test]
fn a_command_with_parentheses_does_not_shift_the_fields() {
    let stat =
        "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 12 34 0 0 20 0 5 0 98765 1000 250 18446744073709551615";
    assert_eq!(start_ticks(stat), Some(98765));
    assert_eq!(start_ticks("7 (a"), None);
}

#[test]
fn this_process_has_plausible_figures() {
    let now = jiff::Timestamp::now().as_second() as f64;
    let start = start_seconds().unwrap();
    assert!(start <= now + 1.0 && start > now - 24.0 * 3600.0, "started at {start}, now {now}");
    assert!(resident_bytes().unwrap() > 100_000.0);
    assert!(open_fds().unwrap() >= 3.0);
    assert!(cpu_seconds().unwrap() >= 0.0);
}
