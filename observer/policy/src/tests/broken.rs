//! Policies that can't be read: a decision that could depend on one is unknown, and its reason names the policy.

use crate::testing::Judged as _;
use flow_model::policies::Action::{Accept, Deny};
use flow_model::policies::{BrokenPolicy, NetworkPolicy, PodsPeer, Selector, Tier, TierPolicy};
use flow_model::testing::{Cluster, admin, baseline, broken, broken_tier, pod, policy, selector};
use rstest::rstest;

use crate::tests::check;

fn cluster() -> Cluster {
    Cluster::new("web:team=a data:team=b").pod(pod("web", "client", &[("app", "web")], "10.42.0.5")).pod(pod(
        "data",
        "cache",
        &[("app", "cache")],
        "10.42.2.6",
    ))
}

fn ingress(mut policy: BrokenPolicy) -> BrokenPolicy {
    policy.egress = false;
    policy
}

fn egress(mut policy: BrokenPolicy) -> BrokenPolicy {
    policy.ingress = false;
    policy
}

fn on(mut policy: BrokenPolicy, pods: &str) -> BrokenPolicy {
    policy.selector = Some(PodsPeer { namespaces: Selector::default(), pods: Some(selector(pods)) });
    policy
}

fn bad(namespace: &str) -> BrokenPolicy {
    broken(namespace, "bad", "spec.ingress[0].ports[0].port: Invalid")
}

#[rstest]
#[case::it_may_isolate(None, bad("data"), "+?")]
#[case::it_may_admit(Some(policy("data", "p").ingress(&[])), bad("data"), "+?")]
#[case::another_rule_admits_already(Some(policy("data", "p").ingress(&["ns(team=a)"])), bad("data"), "++")]
#[case::of_the_client(None, bad("web"), "?+")]
#[case::of_another_namespace(None, bad("other"), "++")]
#[case::of_the_other_direction(None, egress(bad("data")), "++")]
#[case::of_this_direction(None, ingress(bad("data")), "+?")]
#[case::on_other_pods(None, on(bad("data"), "app=db"), "++")]
#[case::on_this_pod(None, on(bad("data"), "app=cache"), "+?")]
fn network_policies(
    #[case] policy: Option<NetworkPolicy>,
    #[case] bad: BrokenPolicy,
    #[case] expected: &str,
) {
    let cluster = policy.into_iter().fold(cluster(), Cluster::policy).broken(bad);
    check(&cluster, "web/client", "data/cache", "6379", expected);
}

fn bad_tier(tier: Tier) -> BrokenPolicy {
    ingress(broken_tier(tier, "bad", "spec.priority: Invalid"))
}

#[rstest]
#[case::admin_may_decide_first(None, Some(policy("data", "p").ingress(&[""])), bad_tier(Tier::Admin), "+?")]
#[case::also_before_other_admins(Some(admin("a", 0).ingress(Accept, "ns()")), None, bad_tier(Tier::Admin), "+?")]
#[case::admin_on_other_pods(None, None, on(bad_tier(Tier::Admin), "app=db"), "++")]
#[case::baseline_may_decide(None, None, bad_tier(Tier::Baseline), "+?")]
#[case::baseline_may_decide_first(Some(baseline().ingress(Deny, "ns()")), None, bad_tier(Tier::Baseline), "+?")]
#[case::baseline_is_not_asked(None, Some(policy("data", "p").ingress(&[""])), bad_tier(Tier::Baseline), "++")]
#[case::baseline_comes_too_late(Some(admin("a", 0).ingress(Deny, "ns()")), None, bad_tier(Tier::Baseline), "+-")]
#[case::a_broken_network_policy_comes_too_late(Some(admin("a", 0).ingress(Deny, "ns()")), None, bad("data"), "+-")]
fn tiers(
    #[case] tier: Option<TierPolicy>,
    #[case] policy: Option<NetworkPolicy>,
    #[case] bad: BrokenPolicy,
    #[case] expected: &str,
) {
    let cluster = policy.into_iter().fold(cluster(), Cluster::policy).broken(bad);
    let cluster = tier.into_iter().fold(cluster, Cluster::tier);
    check(&cluster, "web/client", "data/cache", "6379", expected);
}

/// No policy selects what is outside the cluster, and a pod can't block itself.
#[test]
fn some_decisions_never_depend_on_policies() {
    let cluster = cluster().broken(bad("data")).broken(bad_tier(Tier::Admin));
    check(&cluster, "data/cache", "data/cache", "6379", "++");
    check(&cluster, "203.0.113.9", "203.0.113.10", "6379", "++");
}

#[test]
fn the_reason_names_the_broken_policy() {
    let verdict = cluster().broken(bad("data")).judge("web/client", "data/cache", "6379");
    let why = "not known: NetworkPolicy data/bad can't be read: spec.ingress[0].ports[0].port: Invalid";
    assert_eq!(verdict.explanation, why);
    let verdict = cluster().broken(bad_tier(Tier::Admin)).judge("web/client", "data/cache", "6379");
    assert_eq!(
        verdict.explanation,
        "not known: ClusterNetworkPolicy bad can't be read: spec.priority: Invalid"
    );
}
