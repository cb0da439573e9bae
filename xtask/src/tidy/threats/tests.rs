use super::*;

#[test]
fn a_test_that_is_gone_is_a_problem() {
    let page = "| x | y | `it_is_there_now`, `it_was_there_once` | of `tests/fuzz`, `vip_conflict`";
    let problems = check(page, ["fn other() {}", "fn it_is_there_now() {}"]);
    assert_eq!(problems, ["docs/SECURITY.md names a test that isn't there: it_was_there_once"]);
}
