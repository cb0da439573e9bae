use proptest::prelude::*;

use super::*;

#[test]
fn names_are_read_and_nothing_else() {
    let check = |prefix: &str, expected: Option<&str>| {
        assert_eq!(policy(prefix.as_bytes()).as_deref(), expected, "{prefix}");
    };
    check("DROP by policy data/lockdown", Some("data/lockdown"));
    check("DROP by policy data/lockdown.v2 ", Some("data/lockdown.v2"));
    check("", None);
    check("my firewall: ", None);
    check("DROP by policy data", None);
    check("DROP by policy /x", None);
    check("DROP by policy data/", None);
    check("DROP by policy data/a/b", None);
    check("DROP by policy data/<script>", None);
    check("DROP by policy data/a\u{1b}[31m", None);
    check("DROP by policy data/a\nb", None);
}

#[test]
fn a_name_that_was_cut_is_shown_as_cut() {
    let prefix = format!("DROP by policy data/{}", "a".repeat(43));
    assert_eq!(prefix.len(), 63);
    assert_eq!(policy(prefix.as_bytes()).as_deref(), Some(&*format!("data/{}...", "a".repeat(43))));
}

proptest! {
    #[test]
    fn what_is_taken_is_plain(name in proptest::collection::vec(any::<u8>(), 0..120)) {
        let prefix = [PREFIX.as_bytes(), &name].concat();
        if let Some(policy) = policy(&prefix) {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-./".contains(c);
            prop_assert!(policy.chars().all(plain), "{policy:?}");
        }
    }
}
