use super::*;

#[test]
fn words_in_any_order_and_typos_named() {
    let parse = |line: &str| Args::parse(line.split_whitespace().map(str::to_owned));
    assert_eq!(
        parse("--json postgres --keep"),
        Ok(Args { incident: Incident::Postgres, keep: true, json: true })
    );
    assert_eq!(parse("vip"), Ok(Args { incident: Incident::Vip, ..Args::default() }));
    assert_eq!(parse(""), Ok(Args::default()));
    assert!(parse("--kep").unwrap_err().contains("--kep"));
}
