//! Changes as records of the live tail.

use flow_model::record::{ChangeVerb, PolicyChange};

use super::*;

/// Returns the records of the last of these clusters, which follow each other by a second.
fn news(clusters: &[&Cluster]) -> Vec<PolicyChange> {
    let (mut history, mut before, mut news) = (History::default(), Inventory::default(), Vec::new());
    for (second, cluster) in (0..).zip(clusters) {
        news = history.apply(&before, &cluster.inventory, at(second));
        before = cluster.inventory.clone();
    }
    news
}

fn one(clusters: &[&Cluster]) -> PolicyChange {
    let [change] = &news(clusters)[..] else { panic!("{:?}", news(clusters)) };
    change.clone()
}

#[test]
fn a_change_has_its_author_and_all_that_is_not_admitted_any_more() {
    let old = story(&["pal-e-docs", "pal-e-app", "monitoring"], "2026-04-29T09:00:00Z");
    let new = story(&["monitoring"], "2026-04-29T10:00:00Z");
    let change = one(&[&old, &new]);
    let name = (&*change.object, change.namespace.as_deref(), &*change.name);
    assert_eq!(name, ("NetworkPolicy", Some("postgres"), "default-deny-ingress"));
    assert_eq!((change.change, change.manager.as_deref()), (ChangeVerb::Changed, Some("OpenTofu")));
    for part in ["was changed at 2026-04-29T10:00:00Z by OpenTofu", "pal-e-docs", "pal-e-app"] {
        assert!(change.summary.contains(part), "{change:?}");
    }
}

#[test]
fn what_was_there_when_the_history_began_is_no_news() {
    assert_eq!(news(&[&story(&["monitoring"], "2026-04-29T09:00:00Z")]), []);
}

#[test]
fn creations_and_deletions_are_told_apart() {
    let (without, with) = (cluster(), with([policy("data", "guard").ingress(&[])]));
    assert_eq!(one(&[&without, &with]).change, ChangeVerb::Created);
    let deleted = one(&[&with, &without]);
    assert_eq!((deleted.change, deleted.manager), (ChangeVerb::Deleted, None));
    assert_eq!(deleted.summary, "NetworkPolicy data/guard was deleted at 2026-04-29T10:00:01Z");
}

/// Otherwise the last word on it would be that it was deleted.
#[test]
fn a_policy_that_returns_as_it_was_is_told() {
    let (without, with) = (cluster(), with([policy("data", "guard").ingress(&[])]));
    let change = one(&[&with, &without, &with]);
    assert_eq!(change.change, ChangeVerb::Created);
    assert_eq!(change.summary, "NetworkPolicy data/guard is there again, and as it was");
}

#[test]
fn policies_of_the_whole_cluster_have_no_namespace_and_namespaces_are_their_own() {
    let tiered = cluster().tier(admin("guard", 5));
    let change = one(&[&cluster(), &tiered]);
    assert_eq!((&*change.object, change.own_namespace()), ("AdminNetworkPolicy", None));

    let guarded = |labels| {
        let rule = policy("data", "guard").ingress(&["ns(team=a)"]);
        let mut cluster = with([rule]);
        cluster.inventory.namespaces = vec![Arc::new(namespace("web", labels))];
        cluster
    };
    let change = one(&[&guarded("team=a"), &guarded("team=b")]);
    assert_eq!((&*change.object, change.namespace.clone(), &*change.name), ("Namespace", None, "web"));
    assert_eq!(change.own_namespace().map(|name| &**name), Some("web"));
    assert!(change.summary.contains("team"), "{change:?}");
}
