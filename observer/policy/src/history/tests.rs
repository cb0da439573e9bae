//! Incidents, sentences and bounds.

mod authors;
mod model;
mod records;

use crate::testing::Judged as _;
use std::sync::Arc;

use flow_model::inventory::Namespace;
use flow_model::network::Enforcer;
use flow_model::policies::{Action, NetworkPolicy, Origin};
use flow_model::testing::{Cluster, admin, namespace, pod, policy};
use rstest::rstest;

use super::*;

const NAME: &str = "kubernetes.io/metadata.name";

fn at(second: i64) -> Timestamp {
    "2026-04-29T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

/// Builds the cluster of these tests, whose connections go from web/client to data/cache:6379.
fn cluster() -> Cluster {
    Cluster::new("web:team=a data:team=b").pod(pod("web", "client", &[("app", "web")], "10.42.0.5")).pod(pod(
        "data",
        "cache",
        &[("app", "cache")],
        "10.42.2.6",
    ))
}

/// Returns the same cluster with these policies, in new allocations.
fn with(policies: impl IntoIterator<Item = NetworkPolicy>) -> Cluster {
    policies.into_iter().fold(cluster(), Cluster::policy)
}

/// Applies clusters one minute apart.
fn history(clusters: &[&Cluster]) -> History {
    let mut history = History::default();
    let mut before = Inventory::default();
    for (minute, cluster) in (0..).zip(clusters) {
        history.apply(&before, &cluster.inventory, at(60 * minute));
        before = cluster.inventory.clone();
    }
    history
}

fn cause_of(history: &History, cluster: &Cluster) -> Option<String> {
    let connection = cluster.connection("web/client", "data/cache", "6379");
    let verdict = cluster.judge("web/client", "data/cache", "6379");
    let denying = [verdict.egress.policies, verdict.ingress.policies].concat();
    history.cause(&cluster.inventory, &connection, &denying).map(|cause| cause.text)
}

fn cause(clusters: &[&Cluster]) -> Option<String> {
    cause_of(&history(clusters), clusters.last().unwrap())
}

fn by(policy: NetworkPolicy, manager: &str, changed: &str) -> NetworkPolicy {
    let origin = Origin {
        created: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        changed: Some(changed.parse().unwrap()),
        manager: Some(manager.into()),
        ..Origin::default()
    };
    NetworkPolicy { origin, ..policy }
}

fn story(allowed: &[&str], changed: &str) -> Cluster {
    let rules: Vec<_> = allowed.iter().map(|name| format!("ns({NAME}={name})")).collect();
    let rules: Vec<_> = rules.iter().map(String::as_str).collect();
    let deny = policy("postgres", "default-deny-ingress").ingress(&rules);
    Cluster::new("pal-e-docs postgres pal-e-app basketball-api cnpg-system monitoring")
        .pod(pod("pal-e-docs", "pal-e-docs-0", &[], "10.42.0.10"))
        .pod(pod("postgres", "pal-e-postgres-1", &[], "10.42.0.12"))
        .policy(by(deny, "OpenTofu", changed))
}

#[test]
fn the_rename_that_forgot_a_consumer() {
    let before = ["pal-e-app", "basketball-api", "pal-e-docs", "cnpg-system", "monitoring"];
    let after = ["pal-e-app", "basketball-api", "cnpg-system", "monitoring"];
    let (before, after) = (story(&before, "2026-03-01T08:00:00Z"), story(&after, "2026-04-29T10:12:03Z"));
    let history = history(&[&before, &after]);
    let connection = after.connection("pal-e-docs/pal-e-docs-0", "postgres/pal-e-postgres-1", "5432");
    assert_eq!(
        history.cause(&after.inventory, &connection, &[]).map(|cause| cause.text).as_deref(),
        Some(
            "NetworkPolicy postgres/default-deny-ingress was changed at 2026-04-29T10:12:03Z by OpenTofu: \
             ingress[2] (namespace pal-e-docs) was removed"
        )
    );
    assert_eq!(history.last_relevant_change(), Some(at(60)));

    let connection = before.connection("pal-e-docs/pal-e-docs-0", "postgres/pal-e-postgres-1", "5432");
    assert_eq!(history.cause(&before.inventory, &connection, &[]), None, "it is not refused");
}

/// Compares rules before and after a change (separated by `;`) with the sentence about what went.
#[rstest]
#[case::rule("ns(team=a);ns(team=c)", "ns(team=c)", "ingress[0] (namespaces with team=a) was removed")]
#[case::all_rules(
    "ns(team=a)&pods(app=web) : 6379 udp/53",
    "",
    "ingress[0] (pods with app=web in namespaces with team=a, port 6379, UDP port 53) was removed"
)]
#[case::any_source(" : 6379", "", "ingress[0] (any source, port 6379) was removed")]
#[case::peer("ns(team=a) ns(team=c)", "ns(team=c)", "ingress[0] no longer admits namespaces with team=a")]
#[case::another_peer(
    "ns(team=a)",
    "ns(team=c)",
    "ingress[0] no longer admits namespaces with team=a, but namespaces with team=c"
)]
#[case::port("ns(team=a) : 80 6379", "ns(team=a) : 80", "ingress[0] no longer admits port 6379")]
#[case::ports_at_all("ns(team=a)", "ns(team=a) : 80", "ingress[0] no longer admits every port, but port 80")]
#[case::open_to_all(
    " : 6379",
    "10.9.0.0/16!10.9.1.0/24 : 6379",
    "ingress[0] no longer admits any source, but 10.9.0.0/16 except 10.9.1.0/24"
)]
#[case::only_what_matters(
    "pods(x=y);ns();ns(team=a)",
    "pods(z=y)",
    "ingress[1] (every namespace) was removed"
)]
#[case::not_what_was_added(
    "ns(team=a)",
    "pods(x=y);ns(team=c)",
    "ingress[0] no longer admits namespaces with team=a, but pods with x=y"
)]
#[case::named("10.42.0.0/24 : tcp/1-9999", "", "ingress[0] (10.42.0.0/24, ports 1-9999) was removed")]
fn rules_that_went(#[case] before: &str, #[case] after: &str, #[case] what: &str) {
    let rules = |text: &str| {
        let rules: Vec<_> = text.split(';').filter(|rule| !rule.is_empty()).collect();
        with([policy("data", "in").on("app=cache").ingress(&rules)])
    };
    let expected = format!("NetworkPolicy data/in was changed at 2026-04-29T10:01:00Z: {what}");
    assert_eq!(cause(&[&rules(before), &rules(after)]), Some(expected));
}

#[test]
fn egress_is_described_as_egress() {
    let out = |rules: &[&str]| with([policy("web", "out").egress(rules)]);
    assert_eq!(
        cause(&[&out(&["ns(team=b) ns(team=c)"]), &out(&["ns(team=c)"])]).as_deref(),
        Some(
            "NetworkPolicy web/out was changed at 2026-04-29T10:01:00Z: egress[0] no longer allows namespaces \
             with team=b"
        )
    );
    let ingress_only = with([policy("web", "out").ingress(&[])]);
    let both = with([policy("web", "out").ingress(&[]).egress(&[])]);
    assert_eq!(
        cause(&[&ingress_only, &both]).as_deref(),
        Some("NetworkPolicy web/out was changed at 2026-04-29T10:01:00Z: it isolates egress now")
    );
}

#[test]
fn a_policy_that_selects_more() {
    let on = |selector: &str| with([policy("data", "in").on(selector).ingress(&[])]);
    assert_eq!(
        cause(&[&on("app=other"), &on("")]).as_deref(),
        Some(
            "NetworkPolicy data/in was changed at 2026-04-29T10:01:00Z: its podSelector was app=other and is \
             every pod"
        )
    );
}

#[test]
fn created_and_deleted() {
    let deny = || policy("data", "deny").ingress(&[]);
    let allow = || policy("data", "allow").ingress(&["ns(team=c)", "ns(team=a)"]);
    assert_eq!(
        cause(&[&with([]), &with([deny()])]).as_deref(),
        Some("NetworkPolicy data/deny was created at 2026-04-29T10:01:00Z")
    );
    let created = Some("2026-04-29T10:00:59Z".parse().unwrap());
    let origin = Origin { created, manager: Some("helm".into()), ..Origin::default() };
    let by_helm = NetworkPolicy { origin, ..deny() };
    assert_eq!(
        cause(&[&with([]), &with([by_helm])]).as_deref(),
        Some("NetworkPolicy data/deny was created at 2026-04-29T10:00:59Z by helm")
    );
    assert_eq!(
        cause(&[&with([deny(), allow()]), &with([deny()])]).as_deref(),
        Some(
            "NetworkPolicy data/allow was deleted at 2026-04-29T10:01:00Z: its ingress[1] (namespaces with \
             team=a) went with it"
        )
    );
}

#[test]
fn a_rename_is_explained_by_the_rules_under_the_old_name() {
    let old = policy("data", "old").ingress(&["ns(team=a)", "ns(team=c)"]);
    let new = policy("data", "new").ingress(&["ns(team=c)"]);
    let sentence = cause(&[&with([old]), &with([new])]).unwrap();
    assert!(sentence.starts_with("NetworkPolicy data/old was deleted at"), "{sentence}");
}

#[test]
fn the_decisive_change_is_found_behind_others() {
    let rules = |rules: &[&str]| with([policy("data", "in").ingress(rules)]);
    let clusters =
        [rules(&["ns(team=a)", "ns(team=c)"]), rules(&["ns(team=c)"]), rules(&["ns(team=d)"]), rules(&[])];
    assert_eq!(
        cause(&clusters.each_ref()).as_deref(),
        Some(
            "NetworkPolicy data/in was changed at 2026-04-29T10:01:00Z: ingress[0] (namespaces with team=a) was \
             removed"
        )
    );
}

#[test]
fn the_change_that_decides_is_dated() {
    let rules = |rules: &[&str]| with([policy("data", "in").ingress(rules)]);
    let (open, closed, elsewhere) = (rules(&["ns(team=a)"]), rules(&[]), rules(&["ns(team=d)"]));
    let unrelated =
        with([policy("data", "in").ingress(&[]), policy("data", "more").on("app=x").ingress(&[])]);
    let decided = |clusters: &[&Cluster], since| {
        let last = clusters.last().unwrap();
        let connection = last.connection("web/client", "data/cache", "6379");
        let decision = last.judge("web/client", "data/cache", "6379").decision;
        let other = if decision == Decision::Deny { Decision::Allow } else { Decision::Deny };
        let history = history(clusters);
        assert_eq!(history.decided_at(&last.inventory, &connection, other, at(since)), None);
        history.decided_at(&last.inventory, &connection, decision, at(since))
    };
    assert_eq!(decided(&[&open, &closed], 0), Some(at(60)));
    assert_eq!(decided(&[&closed, &open], 0), Some(at(60)), "by which it came to be allowed");
    assert_eq!(decided(&[&open, &closed, &elsewhere, &unrelated], 0), Some(at(60)), "others changed nothing");
    assert_eq!(decided(&[&open, &closed, &open, &closed], 0), Some(at(180)), "the last time");
    assert_eq!(decided(&[&open, &closed], 61), None, "longer ago than asked");
    assert_eq!(decided(&[&closed, &elsewhere], 0), None, "refused before and after");
}

fn relabelled(namespace_labels: &str, pod_labels: &[(&str, &str)]) -> Cluster {
    let rule = "ns(team=a)&pods(app=web)";
    let mut cluster = with([policy("data", "in").ingress(&[rule])]);
    cluster.inventory.namespaces[0] = Arc::new(namespace("web", namespace_labels));
    cluster.inventory.pods[0] = Arc::new(pod("web", "client", pod_labels, "10.42.0.5"));
    cluster
}

#[rstest]
#[case::lost("", &[("app", "web")], "namespace web lost label team=a")]
#[case::other_value("team=b", &[("app", "web")], "label team of namespace web changed from a to b")]
#[case::pod("team=a", &[], "pod web/client lost label app=web")]
#[case::only_what_matters("team=a", &[("app", "x"), ("new", "y")], "label app of pod web/client changed from web to x")]
fn labels_that_went(#[case] namespace: &str, #[case] pod: &[(&str, &str)], #[case] what: &str) {
    let before = relabelled("team=a", &[("app", "web")]);
    let after = relabelled(namespace, pod);
    assert_eq!(cause(&[&before, &after]), Some(format!("{what} at 2026-04-29T10:01:00Z")));
}

#[test]
fn labels_that_no_policy_looks_at_are_no_change() {
    let before = relabelled("team=a", &[("app", "web")]);
    let after = relabelled("team=a,mood=good", &[("app", "web"), ("pod-template-hash", "1")]);
    assert_eq!(history(&[&before, &after]).last_relevant_change(), None);
}

#[test]
fn labels_that_a_policy_looked_at_once_are_remembered() {
    let before = relabelled("team=a", &[("app", "web")]);
    let mut closed = before.clone();
    closed.inventory.policies.namespaced = vec![Arc::new(policy("data", "in").ingress(&[]))];
    let mut relabelled = closed.clone();
    relabelled.inventory.namespaces[0] = Arc::new(namespace("web", ""));
    let sentence = cause(&[&before, &closed, &relabelled]).unwrap();
    assert!(sentence.starts_with("NetworkPolicy data/in was changed at 2026-04-29T10:01:00Z"), "{sentence}");
}

#[test]
fn a_tiered_policy_that_denies() {
    let tier = |policy: Option<_>| policy.into_iter().fold(cluster(), Cluster::tier);
    let other = || admin("guard", 5).ingress(Action::Pass, "ns(team=c)");
    let denies = || other().ingress(Action::Deny, "ns(team=a)");
    assert_eq!(
        cause(&[&tier(Some(other())), &tier(Some(denies()))]).as_deref(),
        Some(
            "AdminNetworkPolicy guard was changed at 2026-04-29T10:01:00Z: ingress[1] (deny namespaces with \
             team=a) was added"
        )
    );
    assert_eq!(
        cause(&[&tier(None), &tier(Some(denies()))]).as_deref(),
        Some("AdminNetworkPolicy guard was created at 2026-04-29T10:01:00Z")
    );
    let accepts = || admin("guard", 5).ingress(Action::Accept, "ns(team=a)").ingress(Action::Deny, "ns()");
    let mut reversed = accepts();
    reversed.ingress.remove(0);
    assert_eq!(
        cause(&[&tier(Some(accepts())), &tier(Some(reversed))]).as_deref(),
        Some(
            "AdminNetworkPolicy guard was changed at 2026-04-29T10:01:00Z: ingress[0] (accept namespaces with \
             team=a) was removed"
        )
    );
}

#[test]
fn a_change_before_the_agents_start_is_described_as_such() {
    let deny = by(policy("data", "deny").ingress(&[]), "OpenTofu", "2026-04-20T10:12:03Z");
    let older = by(policy("data", "older").ingress(&[]), "helm", "2026-04-19T10:12:03Z");
    assert_eq!(
        cause(&[&with([deny, older])]).as_deref(),
        Some(
            "NetworkPolicy data/deny was last changed at 2026-04-20T10:12:03Z by OpenTofu; that was before this \
             agent started"
        )
    );
    let mut created = policy("data", "deny").ingress(&[]);
    created.origin.created = Some("2026-04-20T10:12:03Z".parse().unwrap());
    assert_eq!(
        cause(&[&with([created])]).as_deref(),
        Some(
            "NetworkPolicy data/deny was created at 2026-04-20T10:12:03Z; that was before this agent started"
        )
    );
    assert_eq!(cause(&[&with([policy("data", "deny").ingress(&[])])]), None, "nothing is known");
}

#[test]
fn a_policy_that_is_listed_late_was_not_created_now() {
    let deny = by(policy("data", "deny").ingress(&[]), "helm", "2026-04-20T10:12:03Z");
    let history = history(&[&with([]), &with([deny])]);
    assert_eq!(history.last_relevant_change(), None);
}

#[test]
fn a_policy_that_returns_at_once_was_replaced() {
    let (mut history, allow) = (History::default(), with([policy("data", "in").ingress(&["ns(team=a)"])]));
    let (none, deny) = (with([]), with([policy("data", "in").ingress(&[])]));
    history.apply(&Inventory::default(), &allow.inventory, at(0));
    history.apply(&allow.inventory, &none.inventory, at(10));
    history.apply(&none.inventory, &allow.inventory, at(11));
    assert_eq!(history.last_relevant_change(), None, "nothing happened");

    history.apply(&allow.inventory, &none.inventory, at(20));
    history.apply(&none.inventory, &deny.inventory, at(21));
    assert_eq!(
        cause_of(&history, &deny).as_deref(),
        Some(
            "NetworkPolicy data/in was changed at 2026-04-29T10:00:21Z: ingress[0] (namespaces with team=a) was \
             removed"
        )
    );
}

fn with_uid(policy: NetworkPolicy, uid: &str) -> NetworkPolicy {
    NetworkPolicy { origin: Origin { uid: uid.into(), ..policy.origin }, ..policy }
}

/// While it was gone, a connection could be opened, which it refuses again.
#[rstest]
#[case::another_object("u1", "u2", 7, true)]
#[case::without_uids("", "", 7, true)]
#[case::a_file_that_was_written("", "", 2, false)]
#[case::at_once("u1", "u2", 0, false)]
#[case::the_same_object("u1", "u1", 7, false)]
fn a_policy_that_was_gone_and_is_as_it_was(
    #[case] old: &str,
    #[case] new: &str,
    #[case] absence: i64,
    #[case] was_gone: bool,
) {
    let allow = with([with_uid(policy("data", "in").ingress(&["ns(team=a)"]), old)]);
    let deny = with([with_uid(policy("data", "in").ingress(&[]), old)]);
    let again = with([with_uid(policy("data", "in").ingress(&[]), new)]);
    let (mut history, none) = (History::default(), with([]));
    history.apply(&Inventory::default(), &allow.inventory, at(0));
    history.apply(&allow.inventory, &deny.inventory, at(1));
    history.apply(&deny.inventory, &none.inventory, at(5));
    history.apply(&none.inventory, &again.inventory, at(5 + absence));
    let cause = cause_of(&history, &again).unwrap();
    let expected = match was_gone {
        true => {
            "NetworkPolicy data/in was created again at 2026-04-29T10:00:12Z; it had been deleted at \
             2026-04-29T10:00:05Z"
        }
        false => {
            "NetworkPolicy data/in was changed at 2026-04-29T10:00:01Z: ingress[0] (namespaces with team=a) was \
             removed"
        }
    };
    assert_eq!(cause, expected);
}

#[test]
fn a_policy_that_was_gone_and_refuses_more_now_is_told_by_what_it_lost() {
    let allow = with([with_uid(policy("data", "in").ingress(&["ns(team=a)"]), "u1")]);
    let deny = with([with_uid(policy("data", "in").ingress(&[]), "u2")]);
    let (mut history, none) = (History::default(), with([]));
    history.apply(&Inventory::default(), &allow.inventory, at(0));
    history.apply(&allow.inventory, &none.inventory, at(5));
    history.apply(&none.inventory, &deny.inventory, at(12));
    let cause = cause_of(&history, &deny).unwrap();
    assert!(cause.contains("was changed at 2026-04-29T10:00:12Z: ingress[0]"), "{cause}");
    let connection = deny.connection("web/client", "data/cache", "6379");
    let decided = history.decided_at(&deny.inventory, &connection, Decision::Deny, at(0));
    assert_eq!(decided, Some(at(12)));
}

#[test]
fn a_touched_policy_did_not_change() {
    let origin = |changed| with([by(policy("data", "in").ingress(&[]), "kubectl", changed)]);
    let history = history(&[&origin("2026-04-20T10:12:03Z"), &origin("2026-04-29T10:00:30Z")]);
    assert_eq!(history.last_relevant_change(), None);
}

/// Returns a policy with a different rule for each number.
fn nth(name: &str, n: usize) -> NetworkPolicy {
    policy("data", name).ingress(&[&format!("pods(n={n})")])
}

#[test]
fn changes_are_bounded_and_the_newest_of_a_policy_stays() {
    let mut history = History::default();
    let mut before = with([nth("rare", 0), nth("busy", 0)]).inventory;
    history.apply(&Inventory::default(), &before, at(0));
    for n in 1..1_500 {
        let after = with([nth("rare", 1), nth("busy", n)]).inventory;
        history.apply(&before, &after, at(n as i64));
        before = after;
    }
    assert_eq!(history.changes.len(), MAX_CHANGES);
    let of = |name: &str| {
        history
            .changes
            .iter()
            .filter(|c| c.what.key() == Some(Key::Policy(ObjectRef::new("data", name))))
            .count()
    };
    assert_eq!((of("rare"), of("busy")), (1, MAX_CHANGES - 1));

    let after = with([nth("rare", 1), nth("busy", 0)]).inventory;
    history.apply(&before, &after, at(48 * 3_600));
    let kept: Vec<_> = history.changes.iter().map(|c| (c.what.key().unwrap(), c.seen)).collect();
    let key = |name: &str| Key::Policy(ObjectRef::new("data", name));
    assert_eq!(kept, [(key("rare"), at(1)), (key("busy"), at(48 * 3_600))], "a day later");
}

#[test]
fn pods_that_stay_are_no_change() {
    let mut many = with([policy("data", "in").on("app=cache").ingress(&[])]);
    many.inventory.pods =
        (0..10_000).map(|n| Arc::new(pod("web", &format!("p{n}"), &[("app", "web")], "10.42.0.5"))).collect();
    let mut after = many.inventory.clone();
    after.pods.remove(0);
    after.namespaces.push(Arc::new(Namespace { name: "new".into(), labels: Default::default() }));
    let mut history = History::default();
    history.apply(&Inventory::default(), &many.inventory, at(0));
    history.apply(&many.inventory, &after, at(1));
    assert_eq!(history.last_relevant_change(), None);
}

#[test]
fn changes_that_concern_a_namespace() {
    let web = || policy("web", "deny").ingress(&[]);
    let clusters = [&with([]), &with([web()]), &with([web(), policy("data", "deny").ingress(&[])])];
    let history = history(&clusters);
    let sentence = |namespaces: &[&str], since| {
        let namespaces: Vec<_> = namespaces.iter().map(|name| ArcStr::from(*name)).collect();
        history.changes_in(&namespaces, at(since))
    };
    let of_web = sentence(&["web"], 0);
    assert_eq!(of_web.len(), 1);
    assert_eq!(of_web[0].0, at(60));
    assert!(of_web[0].1.starts_with("NetworkPolicy web/deny was "), "{}", of_web[0].1);
    assert_eq!(sentence(&["web", "data"], 0).len(), 2);
    assert_eq!(sentence(&["web", "data"], 61).len(), 1);
    assert_eq!(sentence(&["other"], 0), []);
}

/// kube-router opens a rule whose names no peer has. Which pods are peers depends on the labels of all namespaces.
#[test]
fn a_scene_of_kube_router_keeps_the_namespaces_of_all_pods() {
    let named = pod("other", "x", &[("app", "x")], "10.42.3.5").port("special", "TCP", 7000);
    let mut cluster = with([policy("web", "out").egress(&["ns(team=b) : special"])]).pod(named);
    cluster.inventory.namespaces.push(Arc::new(namespace("other", "team=d")));
    cluster.inventory.enforcer = Enforcer::KubeRouter;
    let connection = cluster.connection("web/client", "data/cache", "6379");
    assert_eq!(Scene::new(&cluster.inventory, &connection).decision(), Decision::Allow);
}
