use serde_json::json;

use super::*;

#[test]
fn selectors() {
    let object = json!({"metadata": {"namespace": "a", "name": "b", "labels": {"app": "x"}}, "reason": "nodeAssigned"});
    for (query, selected) in [
        ("", true),
        ("labelSelector=app%3Dx", true),
        ("labelSelector=app!=x", false),
        ("labelSelector=app,!other", true),
        ("fieldSelector=metadata.name%3Db,reason%3DnodeAssigned", true),
        ("fieldSelector=reason!=nodeAssigned", false),
    ] {
        assert_eq!(Query::parse(query).selects(None, &object), selected, "{query}");
    }
    assert!(Query::parse("").selects(Some("a"), &object) && !Query::parse("").selects(Some("b"), &object));
}

#[test]
fn parameters() {
    let query = Query::parse("watch=1&timeoutSeconds=7&continue=a%2Fb+c%zz&empty");
    assert!(query.is_set("watch") && !query.is_set("empty"));
    assert_eq!((query.number("timeoutSeconds"), query.text("continue")), (Some(7), "a/b c%zz"));
}
