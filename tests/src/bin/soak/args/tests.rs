use super::Args;

fn parse(line: &str) -> Result<Args, String> {
    Args::parse(line.split_whitespace().map(str::to_owned))
}

#[test]
fn a_long_run_has_more_pods() {
    assert_eq!(parse("").unwrap().pods, 40);
    assert_eq!(parse("--minutes 10").unwrap().pods, 200);
    assert_eq!(
        parse("--minutes 10 --pods 7 -o json").unwrap(),
        Args { minutes: 10, pods: 7, churn: 5, rate: 20_000, json: true }
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in ["--minutes", "--minutes 0", "--pods 201", "--rate x", "-o xml", "--fast"] {
        let error = parse(line).unwrap_err();
        assert!(error.starts_with("soak: ") && error.contains("usage"), "{error}");
    }
}
