use super::*;

#[test]
fn durations_are_read_as_people_write_them() {
    for (text, seconds) in [
        ("0s", 0),
        ("90s", 90),
        ("5m", 300),
        ("10min", 600),
        ("1h30m", 5_400),
        ("1h 30m", 5_400),
        ("2days", 172_800),
        ("1d", 86_400),
        ("1w", 604_800),
        ("2 hours", 7_200),
        ("0", 0),
        ("30m 1h", 5_400),
        ("1m 1m", 120),
        ("1.5d", 129_600),
        ("2.5 hours", 9_000),
        ("1M", 2_630_016),
        ("2months", 5_260_032),
        ("1y", 31_557_600),
    ] {
        assert_eq!(parse(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
    }
    assert_eq!(parse("100000y"), Ok(SignedDuration::from_secs(3_155_760_000_000)));
    assert_eq!(parse("1500ms"), Ok(SignedDuration::from_millis(1_500)));
}

#[test]
fn more_than_the_clock_can_count_is_forever() {
    assert_eq!(parse("9300000000000000000s"), Ok(SignedDuration::MAX));
    assert_eq!(parse(&format!("{}s", u64::MAX)), Ok(SignedDuration::MAX));
    let error = parse("18446744073709551616s").unwrap_err();
    assert!(error.contains("number is too large"), "{error}");
}

#[test]
fn other_texts_are_errors() {
    for text in ["", "soon", "5", "-5m", "5m ago", "-100000y", "5 apples"] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(&format!("`{text}` is not a duration")), "{text}: {error}");
    }
}

#[test]
fn what_is_printed_can_be_read_again() {
    for (millis, text) in
        [(0, "0s"), (1_200, "1s 200ms"), (61_000, "1m 1s"), (90_000_000, "1day 1h"), (172_800_000, "2days")]
    {
        let duration = SignedDuration::from_millis(millis);
        assert_eq!(format(duration), text);
        assert_eq!(parse(text), Ok(duration));
        assert_eq!(parse(&compact(duration)), Ok(duration));
    }
    assert_eq!(format(SignedDuration::from_secs(-1)), "0s");
}
