use anyhow::anyhow;
use rstest::rstest;

use super::*;

#[rstest]
#[case::each(&["connection error", "reset by peer"], "connection error: reset by peer")]
#[case::named_already(&["sending: timed out", "timed out"], "sending: timed out")]
#[case::named_in_passing(&["no route to host a", "no route"], "no route to host a: no route")]
#[case::named_before_the_remedy(&["f can't be read: no such file; give another", "no such file"], "f can't be read: no such file; give another")]
#[case::layers(
    &["ServiceError: client error (Connect)", "client error (Connect)", "tcp connect error", "Connection refused"],
    "Connection refused"
)]
#[case::a_layer_that_is_all(&["client error (Connect)"], "client error (Connect)")]
#[case::after_other_words(&["agent n1", "client error (SendRequest)", "connection closed"], "agent n1: connection closed")]
#[case::tls(&["received corrupt message of type InvalidContentType"], "the other side does not speak TLS")]
#[case::alone(&["timed out"], "timed out")]
fn a_cause_stands_once(#[case] texts: &[&str], #[case] expected: &str) {
    let (innermost, outer) = texts.split_last().unwrap();
    let error =
        outer.iter().rev().fold(anyhow!("{innermost}"), |error, text| error.context(text.to_string()));
    assert_eq!(causes(&*error), expected);
}
