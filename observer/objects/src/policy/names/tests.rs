use rstest::rstest;

use super::*;

#[rstest]
#[case("", true)]
#[case("a", true)]
#[case("v1.2_b-C", true)]
#[case("-a", false)]
#[case("a.", false)]
#[case("a b", false)]
#[case("é", false)]
fn label_values(#[case] text: &str, #[case] expect: bool) {
    assert_eq!(is_label_value(text), expect);
}

#[test]
fn a_label_value_has_63_characters_at_most() {
    assert!(is_label_value(&"a".repeat(63)));
    assert!(!is_label_value(&"a".repeat(64)));
}

#[rstest]
#[case("app", true)]
#[case("app.kubernetes.io/name", true)]
#[case("App_x", true)]
#[case("", false)]
#[case("/name", false)]
#[case("App.io/name", false)]
#[case("a..b/name", false)]
#[case("a/b/c", false)]
fn label_keys(#[case] text: &str, #[case] expect: bool) {
    assert_eq!(is_label_key(text), expect);
}

#[rstest]
#[case("http", true)]
#[case("h2-c", true)]
#[case("123456789012-ab", true)]
#[case("1234567890123-ab", false)]
#[case("80", false)]
#[case("", false)]
#[case("Http", false)]
#[case("a--b", false)]
#[case("-a", false)]
#[case("a-", false)]
fn port_names(#[case] text: &str, #[case] expect: bool) {
    assert_eq!(is_port_name(text), expect);
}

#[rstest]
#[case("kubernetes.io", true)]
#[case("*.kubernetes.io.", true)]
#[case("io", false)]
#[case("a.*.io", false)]
#[case("a..io", false)]
#[case("", false)]
fn domains(#[case] text: &str, #[case] expect: bool) {
    assert_eq!(is_domain(text), expect);
}
