use super::*;

fn parsed(text: &str) -> (serde_json::Result<Meta>, Vec<Value>) {
    let mut items = Vec::new();
    let meta = parse(text.as_bytes(), &mut |item| {
        items.push(item);
        true
    });
    (meta, items)
}

#[test]
fn a_page_gives_its_items_and_where_the_next_begins() {
    let text = r#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"abc","remainingItemCount":3},"items":[{"a":1},{"b":2}]}"#;
    let (meta, items) = parsed(text);
    assert_eq!(meta.unwrap(), Meta { resource_version: "7".into(), next: Some("abc".into()) });
    assert_eq!(items.len(), 2);
}

#[test]
fn null_is_no_items_and_text_that_ends_early_is_an_error() {
    assert_eq!(parsed(r#"{"metadata":{},"items":null}"#).0.unwrap(), Meta::default());
    let (meta, items) = parsed(r#"{"items":[{"a":1},{"b""#);
    assert!(meta.is_err());
    assert_eq!(items.len(), 1, "complete items count");
    assert!(parsed("[]").0.is_err());
    assert!(parsed("").0.is_err());
}
