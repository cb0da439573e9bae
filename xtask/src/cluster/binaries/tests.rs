use super::*;

#[test]
fn other_flags_are_other_programs() {
    let key = |flags| key("kubernetes", "1.34.4", &[flags]);
    assert!(key("-s -w").starts_with("kubernetes-1.34.4-"));
    assert_eq!(key("-s -w"), key("-s -w"));
    assert_ne!(key("-s -w"), key("-s -w -X a=b"));
}
