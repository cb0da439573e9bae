use std::time::{Duration, Instant};

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn parse(text: &str) -> Result<Expression, String> {
    Expression::parse(Subject::Record, text)
}

fn record() -> Json {
    json!({
        "time": "2026-11-21T02:53:08.462187Z", "node": "archbox", "kind": "attempt", "outcome": "rejected",
        "src": {"ip": "10.42.0.10", "port": 57150, "namespace": "web", "pod": "front-1"},
        "dst": {"ip": "10.43.239.89", "port": 5432, "service": "data/db"},
        "latency_us": 310,
        "verdict": {"decision": "deny", "policies": ["data/deny", "data/guard"], "explanation": "refused"},
    })
}

#[rstest]
#[case("dst.port == 5432 && verdict.decision == \"deny\"", true)]
#[case("dst.port == 5433", false)]
#[case("dst.port in [5432, 6379]", true)]
#[case("latency_us / 1000 < 1 && latency_us > 300.5", true)]
#[case("src.namespace != dst.service", true)]
#[case("dst.service.startsWith('data/') && size(verdict.policies) == 2", true)]
#[case("'data/guard' in verdict.policies", true)]
#[case("verdict.policies.exists(p, p.endsWith('deny'))", true)]
#[case("verdict.policies.all(p, p.endsWith('deny'))", false)]
#[case("verdict.policies.filter(p, p.contains('guard')).size() == 1", true)]
#[case("outcome == 'rejected' ? dst.port > 5000 : false", true)]
#[case("string(dst.port) + '/' + node == '5432/archbox'", true)]
#[case("time > '2026-11-21'", true)]
#[case("!(kind == 'reset')", true)]
// Fields that the record lacks.
#[case("dst.pod == 'db-0'", false)]
#[case("dst.pod != 'db-0'", false)]
#[case("!(dst.pod == 'db-0')", false)]
#[case("has(dst.pod)", false)]
#[case("!has(dst.pod)", true)]
#[case("has(dst.service)", true)]
#[case("dst.pod == 'db-0' || dst.port == 5432", true)]
#[case("dst.port == 5432 || dst.pod == 'db-0'", true)]
#[case("dst.pod == 'db-0' && dst.port == 5432", false)]
#[case("cause == null", true)]
#[case("verdict == null", false)]
#[case("syn_retransmits > 0", false)]
// What is no yes or no.
#[case("dst.port", false)]
#[case("dst.port == 'http'", false)]
#[case("dst.port > 'http'", false)]
#[case("dst.port / 0 == 1", false)]
fn expressions_match(#[case] text: &str, #[case] wanted: bool) {
    assert_eq!(parse(text).unwrap().matches(&record()), wanted);
}

#[rstest]
#[case("dst.prot == 1", 4, "there is no field `prot` here; there are backend_ip, backend_port, ip")]
#[case("kind == 'x' && dts.port == 1", 16, "there is no field `dts`; there are ")]
#[case("dst.port = 5432", 10, "token recognition error at: '= '")]
#[case("dst.port == ", 13, "mismatched input '<EOF>'")]
#[case("(dst.port == 1", 15, "missing ')'")]
#[case("a.b.c", 1, "there is no field `a`")]
#[case("kind.matches('a+')", 13, "there is no function `matches`; there are contains, startsWith")]
#[case("[1].exists(x, [2].exists(y, x == y))", 25, "a loop can't be inside another one")]
#[case("'\u{e9}' == node && nod == 'x'", 16, "there is no field `nod`")]
#[case("'\u{e9}' == )", 8, "")]
#[case("[1].map(x, x).map(y, y)", 8, "a loop can't be inside another one")]
#[case("Foo{a: 1}", 4, "there are no messages here")]
fn errors_point_into_the_expression(#[case] text: &str, #[case] column: usize, #[case] wanted: &str) {
    let error = parse(text).unwrap_err();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines[1], format!("    {text}"), "{error}");
    assert!(lines[0].contains(wanted), "{error}");
    assert_eq!((lines[2].find('^'), lines.len()), (Some(column + 3), 3), "{error}");
    assert!(error.starts_with(&format!("column {column}: ")), "{error}");
}

#[test]
fn only_the_part_around_an_error_is_shown() {
    let error = parse(&format!("{} && no", "true && ".repeat(50))).unwrap_err();
    assert!(
        error.lines().all(|line| line.len() < 2_000) && error.lines().nth(1).unwrap().len() < 120,
        "{error}"
    );
}

#[test]
fn a_line_break_is_a_space() {
    assert!(parse("dst.port == 5432\n&&\ttrue").unwrap().matches(&record()));
}

#[rstest]
#[case("(", 900)]
#[case("[", 900)]
#[case("!", 990)]
#[case("-", 990)]
#[case("- ", 490)]
#[case("{1:", 300)]
#[case("f(", 400)]
#[case("1+", 490)]
#[case("true?", 190)]
#[case("true||", 160)]
#[case("kind.", 190)]
#[case("kind[", 190)]
fn what_is_nested_deeply_is_refused_or_read(#[case] part: &str, #[case] times: usize) {
    // A small stack, as other threads of the agent have.
    let text = part.repeat(times);
    for text in [text.clone(), format!("{text}1"), format!("{text}true"), format!("{text}kind")] {
        if let Ok(expression) = parse(&text) {
            expression.matches(&record());
        }
    }
}

#[rstest]
#[case("(", ")", true)]
#[case("[", "]", false)]
fn the_nesting_is_bounded(#[case] open: &str, #[case] close: &str, #[case] matches: bool) {
    let nested = |times: usize| format!("{}true{}", open.repeat(times), close.repeat(times));
    assert_eq!(parse(&nested(24)).unwrap().matches(&record()), matches);
    let error = parse(&nested(30)).unwrap_err();
    assert!(error.contains(": brackets are nested more than 24 deep\n"), "{error}");
}

#[test]
fn the_length_is_bounded() {
    let error = parse(&format!("{} kind == 'x'", " ".repeat(MAX_LENGTH))).unwrap_err();
    assert_eq!(error, "it has 1012 characters; the limit is 1000");
}

#[test]
fn a_long_expression_is_evaluated_soon() {
    let numbers = (0..200).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let text = format!("[{numbers}].all(x, x != dst.port) && [{}].map(x, [x, x]).size() == 1", 1);
    let expression = parse(&text).unwrap();
    let start = Instant::now();
    assert!(expression.matches(&record()));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// Pieces of expressions, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "dst.port",
        "kind",
        "verdict.policies",
        "==",
        "&&",
        "||",
        "!",
        "(",
        ")",
        "[",
        "]",
        ".exists(x,",
        "x",
        "1",
        "-",
        "'a'",
        "\"",
        "'",
        "in",
        "?",
        ":",
        "has(",
        ".",
        ",",
        "{",
        "}",
        "null",
        "true",
        "size(",
        " ",
        "\\",
        "\u{e9}",
        "9223372036854775808",
        "-9223372036854775808",
        "/",
        "%",
        "*",
        "+",
        "<",
        "1.5e400",
        "b'\\xff'",
        "int(",
        "double(",
        "string(",
    ]);
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser_or_the_evaluation(text in prop_oneof![pieces(), ".{0,40}"]) {
        match parse(&text) {
            Ok(expression) => drop(expression.matches(&record())),
            Err(error) => prop_assert!(!error.contains("CEL's parser can't read it"), "{}", error),
        }
    }

    #[test]
    fn a_comparison_of_numbers_is_that_of_rust(port: u16, other in any::<i32>()) {
        let mut record = record();
        record["dst"]["port"] = port.into();
        let less = parse(&format!("dst.port < {other}")).unwrap().matches(&record);
        prop_assert_eq!(less, i64::from(port) < i64::from(other));
    }
}
