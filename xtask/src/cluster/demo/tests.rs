use super::*;

#[test]
fn the_policy_is_a_manifest() {
    let policy: serde_json::Value = serde_yaml_ng::from_str(&policy("one-apps")).unwrap();
    let rule = &policy["spec"]["ingress"][0];
    assert_eq!(
        rule["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
        "one-apps"
    );
    assert_eq!(rule["ports"][0]["port"], 5432);
}
