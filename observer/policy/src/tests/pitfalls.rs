//! Common misreadings of the NetworkPolicy API: each case is one of them.

use flow_model::policies::NetworkPolicy;
use flow_model::testing::{Cluster, pod, policy};
use rstest::rstest;

use crate::tests::check;

/// Builds a cluster without policies. All pods run on n1 or n2; data/cache has three named ports.
fn cluster() -> Cluster {
    let cache = pod("data", "cache", &[("app", "cache")], "10.42.2.6").on("n1");
    Cluster::new("web:team=a data:team=b other:team=c")
        .node("n1", "", "192.168.0.1")
        .node("n2", "", "192.168.0.2")
        .pod(pod("web", "client", &[("app", "web"), ("tier", "front")], "10.42.0.5").on("n1"))
        .pod(pod("web", "twin", &[("app", "twin")], "10.42.0.6").on("n2"))
        .pod(pod("web", "six", &[("app", "web")], "fd00::5").on("n2"))
        .pod(pod("data", "neighbour", &[("app", "web")], "10.42.2.5").on("n2"))
        .pod(pod("absent", "client", &[("app", "web")], "10.42.3.5").on("n2"))
        .pod(cache.port("redis", "TCP", 6379).port("redis", "TCP", 6380).port("gossip", "UDP", 6400))
}

fn cache() -> NetworkPolicy {
    policy("data", "p").on("app=cache")
}

fn client() -> NetworkPolicy {
    policy("web", "p").on("app=web")
}

#[rstest]
#[case::own_namespace("pods(app=web)", "data/neighbour", "++")]
#[case::own_namespace_only("pods(app=web)", "web/client", "+-")]
#[case::both_selectors_of_a_peer_must_match("ns(team=a)&pods(app=web)", "web/client", "++")]
#[case::namespace_alone_is_not_enough("ns(team=a)&pods(app=web)", "web/twin", "+-")]
#[case::labels_alone_are_not_enough("ns(team=a)&pods(app=web)", "data/neighbour", "+-")]
#[case::two_peers_are_alternatives("ns(team=a) pods(app=web)", "web/twin", "++")]
#[case::the_other_alternative("ns(team=a) pods(app=web)", "data/neighbour", "++")]
#[case::empty_pod_selector_is_the_own_namespace("pods()", "data/neighbour", "++")]
#[case::empty_pod_selector_is_no_other("pods()", "web/client", "+-")]
#[case::empty_namespace_selector_is_every_pod("ns()", "web/client", "++")]
#[case::empty_namespace_selector_is_not_outside("ns()", "203.0.113.9", "+-")]
#[case::empty_namespace_selector_is_no_node("ns()", "node:n2", "+-")]
#[case::no_peers_is_everybody("", "203.0.113.9", "++")]
fn peers(#[case] rule: &str, #[case] src: &str, #[case] expected: &str) {
    check(&cluster().policy(cache().ingress(&[rule])), src, "data/cache", "6379", expected);
}

#[rstest]
#[case::rules_are_alternatives(&["ns(team=c)", "ns(team=a)"], "6379", "++")]
#[case::peer_of_one_rule_and_port_of_another(&["ns(team=a) : 80", "ns(team=c) : 6379"], "6379", "+-")]
#[case::no_rules_at_all(&[], "6379", "+-")]
fn several_rules(#[case] rules: &[&str], #[case] port: &str, #[case] expected: &str) {
    check(&cluster().policy(cache().ingress(rules)), "web/client", "data/cache", port, expected);
}

#[test]
fn policies_are_alternatives() {
    let deny = policy("data", "a-default-deny").ingress(&[]);
    let cluster = cluster().policy(deny).policy(cache().ingress(&["ns(team=a)"]));
    check(&cluster, "web/client", "data/cache", "6379", "++");
    check(&cluster, "web/client", "data/neighbour", "6379", "+-");
}

/// A direction that a policy doesn't name stays open, and each side is judged by the policies that select it.
#[rstest]
#[case::ingress_of_the_source_is_no_matter(client().ingress(&[]), "++")]
#[case::egress_of_the_source(client().egress(&[]), "-+")]
#[case::ingress_of_the_destination(cache().ingress(&[]), "+-")]
#[case::egress_of_the_destination_is_no_matter(cache().egress(&[]), "++")]
#[case::another_pod_of_the_namespace(policy("data", "p").on("app=web").ingress(&[]), "++")]
#[case::another_namespace(policy("other", "p").ingress(&[]), "++")]
fn isolation_is_per_pod_and_direction(#[case] policy: NetworkPolicy, #[case] expected: &str) {
    check(&cluster().policy(policy), "web/client", "data/cache", "6379", expected);
}

#[test]
fn both_ends_must_agree() {
    let egress = client().egress(&["ns(team=b)"]);
    let cluster = cluster().policy(egress).policy(cache().ingress(&["ns(team=c)"]));
    check(&cluster, "web/client", "data/cache", "6379", "+-");
}

/// An absent namespace was defaulted when it was read; a policy never reaches past its own.
#[test]
fn a_policy_selects_in_its_own_namespace_only() {
    let cluster = cluster().policy(policy("web", "p").on("app=cache").ingress(&[]));
    check(&cluster, "web/client", "data/cache", "6379", "++");
}

#[rstest]
#[case::none_is_all_protocols("", "sctp/1", "++")]
#[case::number(": 6379", "6379", "++")]
#[case::other_number(": 6379", "6378", "+-")]
#[case::tcp_is_not_udp(": 6379", "udp/6379", "+-")]
#[case::sctp_is_not_tcp(": 6379", "sctp/6379", "+-")]
#[case::sctp(": sctp/6379", "sctp/6379", "++")]
#[case::all_tcp(": *", "1", "++")]
#[case::all_tcp_is_no_udp(": *", "udp/1", "+-")]
#[case::all_udp(": udp/*", "udp/53", "++")]
#[case::range_first(": 6000-6379", "6000", "++")]
#[case::range_last(": 6000-6379", "6379", "++")]
#[case::range_below(": 6000-6379", "5999", "+-")]
#[case::range_above(": 6000-6379", "6380", "+-")]
#[case::ports_are_alternatives(": 80 6379", "6379", "++")]
#[case::name(": redis", "6379", "++")]
#[case::name_of_a_second_number(": redis", "6380", "++")]
#[case::name_is_not_every_number(": redis", "6381", "+-")]
#[case::name_of_another_protocol(": udp/redis", "udp/6379", "+-")]
#[case::name_with_its_protocol(": udp/gossip", "udp/6400", "++")]
#[case::name_whose_protocol_defaults_to_tcp(": gossip", "6400", "+-")]
#[case::name_that_resolves_nowhere(": nothing", "6379", "+-")]
fn ports(#[case] rule: &str, #[case] port: &str, #[case] expected: &str) {
    check(&cluster().policy(cache().ingress(&[rule])), "web/client", "data/cache", port, expected);
}

#[rstest]
#[case::on_the_destination("ns() : redis", "data/cache", "6379", "++")]
#[case::not_on_the_source("ns() : redis", "data/neighbour", "6379", "-+")]
#[case::without_peers(": redis", "data/cache", "6379", "++")]
#[case::never_outside(": redis", "203.0.113.9", "6379", "-+")]
#[case::never_on_a_node(": redis", "node:n2", "6379", "-+")]
#[case::on_a_pod_within_a_block("10.42.0.0/16 : redis", "data/cache", "6379", "++")]
fn named_ports_of_egress(#[case] rule: &str, #[case] dst: &str, #[case] port: &str, #[case] expected: &str) {
    check(&cluster().policy(client().egress(&[rule])), "web/client", dst, port, expected);
}

#[rstest]
#[case::pods_have_addresses_too("10.42.0.0/16", "web/client", "++")]
#[case::outside("203.0.113.0/24", "203.0.113.9", "++")]
#[case::not_in_it("203.0.113.0/24", "203.0.114.9", "+-")]
#[case::excepted("10.42.0.0/16!10.42.0.0/24", "web/client", "+-")]
#[case::not_excepted("10.42.0.0/16!10.42.9.0/24", "web/client", "++")]
#[case::excepted_from_its_own_entry_only("10.42.0.0/16!10.42.0.0/24 10.42.0.5/32", "web/client", "++")]
#[case::excepted_but_selected("10.42.0.0/16!10.42.0.0/24 ns(team=a)", "web/client", "++")]
#[case::host_bits_set("10.42.0.99/24", "web/client", "++")]
#[case::every_ipv4("0.0.0.0/0", "203.0.113.9", "++")]
#[case::every_ipv4_is_no_ipv6("0.0.0.0/0", "web/six", "+-")]
#[case::every_ipv6("::/0", "web/six", "++")]
#[case::every_ipv6_is_no_ipv4("::/0", "web/client", "+-")]
#[case::mapped_address_is_ipv4("10.42.0.0/16", "::ffff:10.42.0.5", "++")]
#[case::a_node_by_its_address("192.168.0.2/32", "node:n2", "++")]
fn blocks(#[case] rule: &str, #[case] src: &str, #[case] expected: &str) {
    check(&cluster().policy(cache().ingress(&[rule])), src, "data/cache", "6379", expected);
}

#[rstest]
#[case::name_needs_no_object("ns(kubernetes.io/metadata.name=absent)", "++")]
#[case::other_name("ns(kubernetes.io/metadata.name=web)", "+-")]
#[case::other_labels_are_not_known("ns(team=a)", "+?")]
#[case::absence_of_a_label_is_not_known_either("ns(!team)", "+?")]
#[case::wrong_name_settles_it("ns(team=a,kubernetes.io/metadata.name=web)", "+-")]
#[case::wrong_pod_settles_it("ns(team=a)&pods(app=api)", "+-")]
#[case::wrong_port_settles_it("ns(team=a) : 80", "+-")]
#[case::another_peer_settles_it("ns(team=a) 10.42.3.5/32", "++")]
#[case::empty_selector_needs_no_labels("ns()", "++")]
fn namespace_without_an_object(#[case] rule: &str, #[case] expected: &str) {
    check(&cluster().policy(cache().ingress(&[rule])), "absent/client", "data/cache", "6379", expected);
}

/// The name is a label even of a Namespace that was written without it.
#[test]
fn name_is_always_a_label() {
    let mut cluster = cluster().policy(cache().ingress(&["ns(kubernetes.io/metadata.name=web)"]));
    for namespace in &mut cluster.inventory.namespaces {
        std::sync::Arc::make_mut(namespace).labels.clear();
    }
    check(&cluster, "web/client", "data/cache", "6379", "++");
}

#[test]
fn a_pod_reaches_itself() {
    let cluster = cluster().policy(cache().ingress(&[]).egress(&[]));
    check(&cluster, "data/cache", "data/cache", "6379", "++");
}

#[rstest]
#[case::from_its_own_node("node:n1", "data/cache", "++")]
#[case::from_another_node("node:n2", "data/cache", "+-")]
#[case::to_its_own_node("data/cache", "node:n1", "++")]
#[case::to_another_node("data/cache", "node:n2", "-+")]
fn a_pod_and_its_own_node(#[case] src: &str, #[case] dst: &str, #[case] expected: &str) {
    check(&cluster().policy(cache().ingress(&[]).egress(&[])), src, dst, "6379", expected);
}

#[test]
fn which_node_is_its_own_may_not_be_known() {
    let lost = pod("data", "lost", &[("app", "cache")], "10.42.2.9");
    let cluster = cluster().pod(lost).policy(cache().ingress(&[]).egress(&[]));
    check(&cluster, "node:n1", "data/lost", "6379", "+?");
    check(&cluster, "data/lost", "node:n1", "6379", "?+");
    let open = cluster.policy(cache().ingress(&["192.168.0.1/32"]));
    check(&open, "node:n1", "data/lost", "6379", "++");
}

/// A pod in its node's network is the node: not selected, and matched by address only.
#[rstest]
#[case::not_selected(policy("data", "p").ingress(&[]), "web/client", "data/agent", "++")]
#[case::no_selector_admits_it(cache().ingress(&["ns()"]), "data/agent", "data/cache", "+-")]
#[case::its_address_does(cache().ingress(&["192.168.0.2/32"]), "data/agent", "data/cache", "++")]
#[case::no_selector_reaches_it(client().egress(&["ns()"]), "web/client", "data/agent", "-+")]
fn host_network(#[case] policy: NetworkPolicy, #[case] src: &str, #[case] dst: &str, #[case] expected: &str) {
    let mut agent = pod("data", "agent", &[("app", "cache")], "192.168.0.2").on("n2");
    agent.host_network = true;
    check(&cluster().pod(agent).policy(policy), src, dst, "6379", expected);
}

/// A pod that has finished owns no address; one that is being deleted still does.
#[test]
fn finished_and_deleting_pods() {
    let mut finished = pod("web", "finished", &[("app", "web")], "10.42.0.9");
    finished.finished = true;
    let mut deleting = pod("web", "deleting", &[("app", "web")], "10.42.0.10");
    deleting.deleting = true;
    let cluster = cluster().pod(finished).pod(deleting).policy(cache().ingress(&["ns(team=a)"]));
    check(&cluster, "web/finished", "data/cache", "6379", "+?");
    check(&cluster, "web/deleting", "data/cache", "6379", "++");
}

/// Policies see the backend: an entry for a Service's address admits nothing.
#[test]
fn a_services_address_in_a_block_admits_nothing() {
    let cluster = cluster().policy(client().egress(&["10.43.0.1/32 : 443"]));
    check(&cluster, "web/client", "node:n2", "6443", "-+");
}

#[rstest]
#[case::any_party("", "?203.0.113.9", "?+")]
#[case::by_address("203.0.113.0/24", "?203.0.113.9", "?+")]
#[case::by_another_address("198.51.100.0/24", "?203.0.113.9", "?-")]
#[case::address_not_known("198.51.100.0/24", "?", "??")]
#[case::maybe_by_labels("ns(team=a)", "?203.0.113.9", "??")]
#[case::not_at_this_port("ns(team=a) : 80", "?203.0.113.9", "?-")]
#[case::no_party(": 80", "?203.0.113.9", "?-")]
fn unknown_clients(#[case] rule: &str, #[case] src: &str, #[case] expected: &str) {
    let cluster = cluster().policy(cache().ingress(&[rule])).policy(policy("other", "p").egress(&[]));
    check(&cluster, src, "data/cache", "6379", expected);
}

#[test]
fn unknown_sides_are_free_only_without_policies() {
    check(&cluster(), "?203.0.113.9", "data/cache", "6379", "++");
    check(&cluster(), "web/client", "?203.0.113.9", "6379", "++");
    let ingress = cluster().policy(policy("other", "p").ingress(&[]));
    check(&ingress, "?203.0.113.9", "web/client", "6379", "++");
    check(&ingress, "web/client", "?203.0.113.9", "6379", "+?");
}

#[test]
fn named_port_of_an_unknown_destination() {
    let cluster = cluster().policy(client().egress(&[": redis"]));
    check(&cluster, "web/client", "?203.0.113.9", "6379", "?+");
}

#[test]
fn outside_is_selected_by_nothing() {
    let cluster = cluster().policy(cache().ingress(&[]).egress(&[])).policy(policy("web", "p").ingress(&[]));
    check(&cluster, "203.0.113.9", "data/cache", "6379", "+-");
    check(&cluster, "web/client", "203.0.113.9", "6379", "++");
    check(&cluster, "203.0.113.9", "203.0.113.10", "6379", "++");
}
