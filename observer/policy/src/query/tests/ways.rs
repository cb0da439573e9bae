//! The addresses under which the two sides of a connection see each other, as a real cluster showed them: flannel with a
//! tunnel, kube-proxy in iptables mode, a server on node n1, clients on both nodes.

use flow_model::inventory::{HostPort, Inventory, Pod};
use flow_model::network::{Enforcer, Route};
use flow_model::policies::NetworkPolicy;
use flow_model::testing::clusters::{cluster, node, pod, service};
use flow_model::testing::policy;
use rstest::rstest;
use std::sync::Arc;

use super::*;

fn world(policies: Vec<NetworkPolicy>) -> Inventory {
    let mut server = pod("web", "s", &["10.42.0.20"]).on("n1").port("http", "TCP", 8080);
    server.ports[0].host = Some(HostPort { port: 18_090, ip: None });
    let host = |name: &str, on: &str, ip: &str| Pod { host_network: true, ..pod("web", name, &[ip]).on(on) };
    let pods = [
        server,
        pod("web", "s2", &["10.42.1.20"]).on("n2").port("http", "TCP", 8080),
        pod("web", "c1", &["10.42.0.5"]).on("n1"),
        pod("web", "c2", &["10.42.1.5"]).on("n2"),
        host("h1", "n1", "192.0.2.11"),
        host("h2", "n2", "192.0.2.12"),
    ];
    let exposed = |name: &str, cluster_ip: &str, vip: &str, node_port: u16, local: bool| {
        let mut service =
            service("web", name, &[cluster_ip]).serving(":80/TCP").backed_by("s=10.42.0.20:8080");
        (service.external_ips, service.external_local) = (vec![vip.parse().unwrap()], local);
        service.ports[0].node_port = Some(node_port);
        service
    };
    let mut own = service("web", "own", &["10.43.0.9"])
        .serving(":80/TCP")
        .backed_by("s2=10.42.1.20:8080")
        .backed_by("s=10.42.0.20:8080");
    own.internal_local = true;
    let services = [
        exposed("sv", "10.43.0.1", "192.0.2.203", 30_690, false),
        exposed("sl", "10.43.0.2", "192.0.2.204", 30_691, true),
        own,
    ];
    let on = |name: &str, ip: &str, cidr: &str| {
        let mut node = node(name, &[ip]);
        (node.pod_cidrs, node.route) = (vec![cidr.into()], Route::Tunnel);
        node
    };
    let nodes = [on("n1", "192.0.2.11", "10.42.0.0/24"), on("n2", "192.0.2.12", "10.42.1.0/24")];
    let cluster =
        policies.into_iter().fold(cluster(pods, services, nodes), flow_model::testing::Cluster::policy);
    cluster.inventory
}

fn decide(inventory: Inventory, from: &str, to: &str) -> (Decision, String) {
    let answer = Explainer::new(Arc::new(inventory)).answer(&Query::parse(from, to).unwrap()).unwrap();
    (answer.verdict.decision, format!("{}; {}", answer.verdict.explanation, answer.notes.join("; ")))
}

fn ingress(rules: &[&str]) -> NetworkPolicy {
    policy("web", "s").on("app=s").ingress(rules)
}

const CLIENTS: &str = "pods(app=c1|c2)";

#[rstest]
// A load balancer's address and the own node's port are masqueraded on the way to another node.
#[case::vip_by_pods("web/c2", "192.0.2.203:80", CLIENTS, Decision::Deny)]
#[case::vip_by_node("web/c2", "192.0.2.203:80", "10.42.1.0/32", Decision::Allow)]
#[case::vip_not_by_the_node_s_address("web/c2", "192.0.2.203:80", "192.0.2.12/32", Decision::Deny)]
#[case::own_node_port("web/c2", "192.0.2.12:30690", CLIENTS, Decision::Deny)]
#[case::vip_on_the_own_node("web/c1", "192.0.2.203:80", CLIENTS, Decision::Allow)]
#[case::vip_local("web/c2", "192.0.2.204:80", CLIENTS, Decision::Allow)]
#[case::cluster_ip("web/c2", "10.43.0.1:80", CLIENTS, Decision::Allow)]
// Another node's port is left to that node, which sees the client's node.
#[case::other_node_port("web/c2", "192.0.2.11:30690", CLIENTS, Decision::Deny)]
#[case::other_node_port_by_node("web/c2", "192.0.2.11:30690", "192.0.2.12/32", Decision::Allow)]
#[case::other_node_port_local("web/c2", "192.0.2.11:30691", CLIENTS, Decision::Deny)]
#[case::back_to_the_own_node("web/c1", "192.0.2.12:30690", "10.42.1.0/32", Decision::Allow)]
// A hostPort leads to the pod.
#[case::host_port("203.0.113.9", "192.0.2.11:18090", "", Decision::Deny)]
#[case::host_port_admitted("203.0.113.9", "192.0.2.11:18090", "203.0.113.0/24 : 8080", Decision::Allow)]
#[case::host_port_of_a_pod("web/c2", "192.0.2.11:18090", CLIENTS, Decision::Deny)]
#[case::host_port_by_node("web/c2", "192.0.2.11:18090", "192.0.2.12/32", Decision::Allow)]
#[case::host_port_of_the_own_node("web/c1", "192.0.2.11:18090", CLIENTS, Decision::Allow)]
// A node is seen by pods of others under the address of its tunnel.
#[case::node("web/h2", "web/s:8080", "192.0.2.0/24", Decision::Deny)]
#[case::node_by_tunnel("web/h2", "web/s:8080", "10.42.1.0/32", Decision::Allow)]
#[case::node_by_address("192.0.2.12", "web/s:8080", "10.42.1.0/32", Decision::Allow)]
#[case::node_to_cluster_ip("web/h2", "10.43.0.1:80", "10.42.1.0/32", Decision::Allow)]
#[case::own_node("web/h1", "web/s:8080", "203.0.113.0/24", Decision::Allow)]
// A node's way through another node comes back under that one's address.
#[case::node_through_another("web/h1", "192.0.2.12:30690", "203.0.113.0/24", Decision::Deny)]
// From outside, the backend's own node never appears as the client.
#[case::outside("203.0.113.9", "192.0.2.203:80", "198.51.100.0/24", Decision::Deny)]
#[case::outside_at_its_node("203.0.113.9", "192.0.2.11:30690", "203.0.113.0/24", Decision::Allow)]
#[case::outside_at_another("203.0.113.9", "192.0.2.12:30690", "203.0.113.0/24", Decision::Deny)]
#[case::outside_somewhere("203.0.113.9", "192.0.2.203:80", "203.0.113.0/24", Decision::Unknown)]
#[case::outside_local("203.0.113.9", "192.0.2.204:80", "203.0.113.0/24", Decision::Allow)]
fn ingress_sees(#[case] from: &str, #[case] to: &str, #[case] rule: &str, #[case] expected: Decision) {
    let rules: &[&str] = if rule.is_empty() { &[] } else { &[rule] };
    let (decision, why) = decide(world(vec![ingress(rules)]), from, to);
    assert_eq!(decision, expected, "{why}");
}

#[rstest]
#[case::another_node_s_port("192.0.2.11:30690", "pods(app=s)", Decision::Deny)]
#[case::another_node_s_port_by_address("192.0.2.11:30690", "192.0.2.8/29", Decision::Allow)]
#[case::own_node_s_port("192.0.2.12:30690", "pods(app=s) : 8080", Decision::Allow)]
#[case::vip("192.0.2.203:80", "pods(app=s) : 8080", Decision::Allow)]
#[case::vip_by_address("192.0.2.203:80", "192.0.2.203/32", Decision::Deny)]
#[case::host_port("192.0.2.11:18090", "pods(app=s)", Decision::Deny)]
#[case::host_port_by_address("192.0.2.11:18090", "192.0.2.11/32 : 18090", Decision::Allow)]
fn egress_sees(#[case] to: &str, #[case] rule: &str, #[case] expected: Decision) {
    let (decision, why) = decide(world(vec![policy("web", "c2").on("app=c2").egress(&[rule])]), "web/c2", to);
    assert_eq!(decision, expected, "{why}");
}

/// Without flannel's annotation the address is one of two, and only what both give is certain.
#[test]
fn an_unknown_way_between_nodes_makes_blocks_uncertain() {
    let unknown = |rules: &[&str]| {
        let mut world = world(vec![ingress(rules)]);
        world.nodes.iter_mut().for_each(|node| Arc::make_mut(node).route = Route::Unknown);
        decide(world, "web/c2", "192.0.2.203:80").0
    };
    assert_eq!(unknown(&["10.42.1.0/32"]), Decision::Unknown);
    assert_eq!(unknown(&["10.42.1.0/32 192.0.2.12/32"]), Decision::Allow);
    assert_eq!(unknown(&[CLIENTS]), Decision::Deny);
}

#[test]
fn a_local_service_leads_to_the_client_s_own_node() {
    let closed = || vec![ingress(&[])];
    let own = |from: &str| decide(world(closed()), from, "web/own:80").0;
    assert_eq!((own("web/c1"), own("web/c2")), (Decision::Deny, Decision::Allow));
    let mut world = world(closed());
    let without = world.services.iter_mut().find(|service| service.name == "own").unwrap();
    Arc::make_mut(without).backends.remove(0);
    let (decision, why) = decide(world, "web/c2", "web/own:80");
    assert_eq!(decision, Decision::Deny, "{why}");
}

#[rstest]
#[case::own_node_is_policed("web/c1", "192.0.2.11:22", "egress", Decision::Deny)]
#[case::other_node_too("web/c1", "192.0.2.12:22", "egress", Decision::Deny)]
#[case::but_not_its_node_ports("web/c1", "192.0.2.11:31000", "egress", Decision::Allow)]
#[case::itself_through_a_service("web/s", "10.43.0.1:80", "both", Decision::Deny)]
#[case::itself_isolated_once("web/s", "10.43.0.1:80", "ingress", Decision::Allow)]
#[case::itself_directly("web/s", "web/s:8080", "both", Decision::Allow)]
fn kube_router(#[case] from: &str, #[case] to: &str, #[case] isolated: &str, #[case] expected: Decision) {
    let all = policy("web", "all");
    let all = match isolated {
        "egress" => all.egress(&[]),
        "ingress" => all.ingress(&[]),
        _ => all.ingress(&[]).egress(&[]),
    };
    let mut world = world(vec![all]);
    world.enforcer = Enforcer::KubeRouter;
    let (decision, why) = decide(world, from, to);
    assert_eq!(decision, expected, "{why}");
}

#[test]
fn an_answer_tells_where_the_specification_differs() {
    let mut world = world(vec![policy("web", "all").egress(&[])]);
    world.enforcer = Enforcer::KubeRouter;
    let (_, why) = decide(world.clone(), "web/c1", "192.0.2.11:22");
    assert!(why.contains("(by kube-router; the specification says that it is allowed)"), "{why}");
    let (_, why) = decide(world, "web/c1", "192.0.2.12:22");
    assert!(!why.contains("specification"), "{why}");
}

/// Manifests leave the ClusterIP to the API server: a pod still uses it, and no load balancer's address.
#[test]
fn a_name_means_the_cluster_ip_also_where_it_is_not_known() {
    let mut world = world(vec![ingress(&[CLIENTS])]);
    for service in &mut world.services {
        Arc::make_mut(service).cluster_ips.clear();
    }
    let (decision, why) = decide(world, "web/c2", "web/sv:80");
    assert_eq!(decision, Decision::Allow, "{why}");
}
