use serde_json::json;

use super::*;

#[test]
fn a_text_says_all_or_it_does_not_say_it() {
    assert!(says(&json!("no rule admits web"), &["admits", "web"]));
    assert!(!says(&json!("no rule admits web"), &["admits", "data"]));
    assert!(!says(&Value::Null, &[]), "an absent text says nothing");
}
