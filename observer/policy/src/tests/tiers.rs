//! Admin and Baseline tiers around NetworkPolicy.

use flow_model::policies::Action::{Accept, Deny, Pass};
use flow_model::policies::{NetworkPolicy, TierPolicy};
use flow_model::testing::{Cluster, admin, baseline, pod, policy};
use rstest::rstest;

use crate::tests::check;

fn cluster() -> Cluster {
    Cluster::new("web:team=a data:team=b")
        .node("n1", "role=worker", "192.168.0.1")
        .node("n2", "role=control", "192.168.0.2")
        .pod(pod("web", "client", &[("app", "web")], "10.42.0.5").on("n1"))
        .pod(pod("absent", "client", &[], "10.42.3.5").on("n1"))
        .pod(
            pod("data", "cache", &[("app", "cache")], "10.42.2.6")
                .on("n1")
                .port("redis", "TCP", 6379)
                .port("gossip", "UDP", 6400),
        )
}

fn closed() -> NetworkPolicy {
    policy("data", "closed").ingress(&[])
}

fn open() -> NetworkPolicy {
    policy("data", "open").ingress(&[""])
}

fn on_cache(name: &str, priority: i32) -> TierPolicy {
    admin(name, priority).on("ns(team=b)&pods(app=cache)")
}

#[rstest]
#[case::accept_is_final(vec![on_cache("a", 5).ingress(Accept, "ns()")], closed(), "++")]
#[case::deny_is_final(vec![on_cache("a", 5).ingress(Deny, "ns()")], open(), "+-")]
#[case::pass_leaves_it_to_network_policy(vec![on_cache("a", 5).ingress(Pass, "ns()").ingress(Deny, "ns()")], open(), "++")]
#[case::pass_leaves_the_whole_tier(vec![on_cache("a", 5).ingress(Pass, "ns()"), on_cache("b", 6).ingress(Deny, "ns()")], open(), "++")]
#[case::pass_to_a_refusal(vec![on_cache("a", 5).ingress(Pass, "ns()")], closed(), "+-")]
#[case::rules_go_in_order(vec![on_cache("a", 5).ingress(Accept, "ns(team=a)").ingress(Deny, "ns()")], closed(), "++")]
#[case::lower_priority_goes_first(vec![on_cache("a", 6).ingress(Deny, "ns()"), on_cache("b", 5).ingress(Accept, "ns()")], closed(), "++")]
#[case::no_match_decides_nothing(vec![on_cache("a", 5).ingress(Deny, "ns(team=c)")], open(), "++")]
#[case::another_subject(vec![admin("a", 5).on("ns(team=a)").ingress(Deny, "ns()")], open(), "++")]
#[case::both_parts_of_the_subject(vec![admin("a", 5).on("ns(team=b)&pods(app=db)").ingress(Deny, "ns()")], open(), "++")]
#[case::no_isolation_without_a_match(vec![on_cache("a", 5).ingress(Accept, "ns(team=c)")], open(), "++")]
#[case::port(vec![on_cache("a", 5).ingress(Deny, "ns() : 6000-6379")], open(), "+-")]
#[case::other_port(vec![on_cache("a", 5).ingress(Deny, "ns() : 80")], open(), "++")]
#[case::other_protocol(vec![on_cache("a", 5).ingress(Deny, "ns() : udp/*")], open(), "++")]
#[case::named_port(vec![on_cache("a", 5).ingress(Deny, "ns() : redis")], open(), "+-")]
#[case::named_port_of_another_number(vec![on_cache("a", 5).ingress(Deny, "ns() : gossip")], open(), "++")]
#[case::accept_that_cant_be_read_is_void(vec![on_cache("a", 5).ingress(Accept, "ns() ?newer")], closed(), "+-")]
#[case::deny_that_cant_be_read_denies(vec![on_cache("a", 5).ingress(Deny, "?newer : 80")], open(), "+-")]
#[case::pass_that_cant_be_read_denies(vec![on_cache("a", 5).ingress(Pass, "ns(team=c) ?newer")], open(), "+-")]
#[case::equal_priorities_that_agree(vec![on_cache("a", 5).ingress(Deny, "ns()"), on_cache("b", 5).ingress(Deny, "ns()")], open(), "+-")]
#[case::equal_priorities_that_disagree(vec![on_cache("a", 5).ingress(Deny, "ns()"), on_cache("b", 5).ingress(Pass, "ns()")], open(), "+?")]
#[case::equal_priorities_of_which_one_matches(vec![on_cache("a", 5).ingress(Deny, "ns()"), on_cache("b", 5).ingress(Pass, "ns(team=c)")], open(), "+-")]
#[case::an_earlier_decision_is_final(vec![on_cache("a", 5).ingress(Deny, "ns()"), on_cache("b", 5).ingress(Pass, "ns()"), on_cache("c", 4).ingress(Accept, "ns()")], open(), "++")]
fn admin_tier(#[case] tier: Vec<TierPolicy>, #[case] policy: NetworkPolicy, #[case] expected: &str) {
    let cluster = tier.into_iter().fold(cluster().policy(policy), Cluster::tier);
    check(&cluster, "web/client", "data/cache", "6379", expected);
}

#[test]
fn named_ports_are_of_any_protocol() {
    let cluster = cluster().tier(on_cache("a", 5).ingress(Deny, "ns() : gossip"));
    check(&cluster, "web/client", "data/cache", "udp/6400", "+-");
}

#[test]
fn directions_are_apart() {
    let both = on_cache("a", 5).ingress(Accept, "ns()");
    let cluster = cluster().tier(both).policy(policy("web", "closed").egress(&[]));
    check(&cluster, "web/client", "data/cache", "6379", "-+");
}

#[rstest]
#[case::decides_last(None, "+-")]
#[case::is_not_asked_after_an_isolating_policy(Some(open()), "++")]
#[case::is_asked_when_only_egress_is_isolated(Some(policy("data", "p").egress(&[])), "+-")]
fn baseline_tier(#[case] policy: Option<NetworkPolicy>, #[case] expected: &str) {
    let cluster = policy.into_iter().fold(cluster(), Cluster::policy).tier(baseline().ingress(Deny, "ns()"));
    check(&cluster, "web/client", "data/cache", "6379", expected);
}

#[test]
fn baseline_is_asked_after_an_admin_pass() {
    let cluster =
        cluster().tier(on_cache("a", 5).ingress(Pass, "ns()")).tier(baseline().ingress(Deny, "ns()"));
    check(&cluster, "web/client", "data/cache", "6379", "+-");
}

#[rstest]
#[case::networks_hold_pods_too(&[(Deny, "0.0.0.0/0")], "data/cache", "-+")]
#[case::pods_passed_first(&[(Pass, "ns()"), (Deny, "0.0.0.0/0")], "data/cache", "++")]
#[case::outside(&[(Pass, "ns()"), (Deny, "0.0.0.0/0")], "203.0.113.9", "-+")]
#[case::ipv4_is_no_ipv6(&[(Deny, "0.0.0.0/0")], "2001:db8::1", "++")]
#[case::nodes_by_label(&[(Deny, "nodes(role=control)")], "node:n2", "-+")]
#[case::nodes_by_other_label(&[(Deny, "nodes(role=worker)")], "node:n2", "++")]
#[case::nodes_by_address(&[(Deny, "nodes(role=control)")], "192.168.0.2", "-+")]
#[case::own_node_is_no_exception(&[(Deny, "nodes(role=worker)")], "node:n1", "-+")]
#[case::pods_are_no_nodes(&[(Deny, "nodes()")], "data/cache", "++")]
#[case::names_are_not_known_by_address(&[(Accept, "dns(example.org)"), (Deny, "0.0.0.0/0")], "203.0.113.9", "?+")]
#[case::names_that_make_no_difference(&[(Accept, "dns(example.org)")], "203.0.113.9", "++")]
#[case::names_are_outside(&[(Accept, "dns(example.org)"), (Deny, "0.0.0.0/0")], "data/cache", "-+")]
fn egress_peers(
    #[case] rules: &[(flow_model::policies::Action, &str)],
    #[case] dst: &str,
    #[case] expected: &str,
) {
    let tier =
        rules.iter().fold(admin("a", 5).on("ns(team=a)"), |tier, (action, text)| tier.egress(*action, text));
    check(&cluster().tier(tier), "web/client", dst, "6379", expected);
}

#[test]
fn outside_is_never_a_source() {
    let cluster = cluster().tier(on_cache("a", 5).ingress(Deny, "ns()").ingress(Deny, "0.0.0.0/0"));
    check(&cluster, "203.0.113.9", "data/cache", "6379", "++");
}

#[test]
fn exempt_from_every_tier() {
    let all = admin("a", 5).ingress(Deny, "?newer").egress(Deny, "0.0.0.0/0");
    let cluster = cluster().tier(all);
    check(&cluster, "data/cache", "data/cache", "6379", "++");
    check(&cluster, "node:n1", "data/cache", "6379", "++");
    check(&cluster, "node:n2", "data/cache", "6379", "+-");
}

#[test]
fn pods_in_a_nodes_network_are_neither_subject_nor_peer() {
    let mut agent = pod("data", "agent", &[("app", "cache")], "192.168.0.2").on("n2");
    agent.host_network = true;
    let cluster = cluster().pod(agent).tier(admin("a", 5).ingress(Deny, "ns()").egress(Deny, "ns()"));
    check(&cluster, "203.0.113.9", "data/agent", "6379", "++");
    check(&cluster, "data/agent", "data/cache", "6379", "++");
    check(&cluster, "data/cache", "data/agent", "6379", "++");
}

#[test]
fn a_subject_in_a_namespace_without_an_object() {
    let cluster = cluster().tier(admin("a", 5).on("ns(team=a)").egress(Deny, "ns()"));
    check(&cluster, "absent/client", "data/cache", "6379", "?+");
    check(&cluster, "absent/client", "203.0.113.9", "6379", "++");
}

/// A missing fact about an earlier rule doesn't matter where every outcome is the same.
#[test]
fn unknown_only_where_it_matters() {
    let tier = on_cache("a", 5).ingress(Deny, "ns(team=a)").ingress(Deny, "ns()");
    check(&cluster().tier(tier), "absent/client", "data/cache", "6379", "+-");
    let tier = on_cache("a", 5).ingress(Accept, "ns(team=a)").ingress(Deny, "ns()");
    check(&cluster().tier(tier), "absent/client", "data/cache", "6379", "+?");
    let tier = on_cache("a", 5).ingress(Pass, "ns(team=a)");
    check(&cluster().tier(tier), "absent/client", "data/cache", "6379", "++");
}
