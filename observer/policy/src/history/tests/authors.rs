//! Who is named as the author of a change.

use super::*;

/// Both wrote in one second, which is all that the API tells. The earlier version shows who came second.
#[test]
fn of_two_authors_in_one_second_the_new_one_is_named() {
    let time = "2026-04-29T10:00:59Z";
    let at_once = |managers: &[&str], policy: NetworkPolicy| {
        let managers = managers.iter().map(|manager| (*manager).into()).collect();
        let origin = Origin { changed: Some(time.parse().unwrap()), managers, ..Origin::default() };
        NetworkPolicy { origin, ..policy }
    };
    let open = || policy("data", "deny").ingress(&["ns(team=a)"]);
    let shut = || policy("data", "deny").ingress(&[]);
    let both = || at_once(&["OpenTofu", "kubectl"], shut());
    let told = |before: NetworkPolicy, after: NetworkPolicy| {
        cause(&[&with([before]), &with([after])]).unwrap_or_default()
    };
    assert!(told(by(open(), "kubectl", time), both()).contains(" by OpenTofu: "));
    let unknown = told(at_once(&["OpenTofu", "kubectl"], open()), both());
    assert!(unknown.contains("was changed at") && !unknown.contains(" by "), "{unknown}");
}
