use super::*;

#[test]
fn rules_as_text_and_back() {
    for text in ["data/db#ingress[0]", "AdminNetworkPolicy admins-first#egress[12]"] {
        let rule: RuleRef = text.parse().unwrap();
        assert_eq!(rule.to_string(), text);
    }
    for bad in
        ["", "data/db", "data/db#ingress", "data/db#sideways[0]", "data/db#ingress[x]", "Pod db#ingress[0]"]
    {
        assert_eq!(bad.parse::<RuleRef>(), Err(NotARule), "{bad}");
    }
}
