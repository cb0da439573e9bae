use anyhow::anyhow;
use rstest::rstest;

use super::*;

#[rstest]
#[case::each(&["connection error", "reset by peer"], "connection error: reset by peer")]
#[case::named_already(&["sending: timed out", "timed out"], "sending: timed out")]
#[case::named_in_passing(&["no route to host a", "no route"], "no route to host a: no route")]
#[case::alone(&["timed out"], "timed out")]
fn a_cause_stands_once(#[case] texts: &[&str], #[case] expected: &str) {
    let (innermost, outer) = texts.split_last().unwrap();
    let error =
        outer.iter().rev().fold(anyhow!("{innermost}"), |error, text| error.context(text.to_string()));
    assert_eq!(causes(&*error), expected);
}
