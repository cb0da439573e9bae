use super::*;

#[test]
fn characters_of_the_syntax_are_escaped() {
    assert_eq!(data("50%\r\n::error::no"), "50%25%0D%0A::error::no");
    assert_eq!(property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
}
