use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case("80", &[80], &[79, 81])]
#[case("8000-8002", &[8000, 8001, 8002], &[7999, 8003])]
#[case("0-65535", &[0, 65535], &[])]
fn ports_contain_both_ends(#[case] ports: &str, #[case] within: &[u16], #[case] outside: &[u16]) {
    let ports: Ports = ports.parse().unwrap();
    assert!(within.iter().all(|port| ports.contain(*port)));
    assert!(!outside.iter().any(|port| ports.contain(*port)));
}

#[rstest]
#[case("")]
#[case("http")]
#[case("65536")]
#[case("-80")]
#[case("90-80")]
#[case("80-90-100")]
fn other_texts_are_no_ports(#[case] text: &str) {
    assert!(text.parse::<Ports>().unwrap_err().starts_with(&format!("`{text}` is neither a port")));
}

#[rstest]
#[case("data/deny", "data/deny", true)]
#[case("data/deny", "web/deny", false)]
#[case("data/deny", "deny", false)]
#[case("deny", "data/deny", true)]
#[case("deny", "deny", true)]
#[case("den", "data/deny", false)]
#[case("default.deny", "default.deny", true)]
fn policies_are_named_with_or_without_namespace(
    #[case] name: &str,
    #[case] policy: &str,
    #[case] named: bool,
) {
    assert_eq!(name.parse::<PolicyName>().unwrap().names(&policy.into()), named);
}

#[rstest]
#[case("")]
#[case("a/b/c")]
#[case("/deny")]
#[case("data/")]
#[case("Deny")]
fn other_texts_are_no_policies(#[case] text: &str) {
    assert!(text.parse::<PolicyName>().is_err());
}

proptest! {
    #[test]
    fn a_range_contains_what_lies_within(first: u16, last: u16, port: u16) {
        let ports = format!("{first}-{last}").parse::<Ports>();
        prop_assert_eq!(ports.is_ok(), first <= last);
        if let Ok(ports) = ports {
            prop_assert_eq!(ports.contain(port), first <= port && port <= last);
        }
    }
}
