//! Verdicts where nodes replace addresses, and where the enforcer has rules of its own: no finding contradicts them.

use flow_model::finding::FindingKind;
use flow_model::input::OpenConnection;
use flow_model::inventory::{ContainerPort, HostPort, Node, Probe, ProbeKind};
use flow_model::network::{Enforcer, Route};
use flow_model::policies::NetworkPolicy;
use flow_model::testing::{Cluster, namespace, policy};

use super::*;

/// The cluster of the other tests on two nodes with flannel's tunnel between them: clients on n1, Postgres on n2.
fn on_nodes(guard: NetworkPolicy) -> Inventory {
    let Input::Cluster { inventory } = cluster() else { unreachable!() };
    let mut inventory = Inventory::clone(&inventory);
    inventory.namespaces = ["docs", "postgres"].map(|name| Arc::new(namespace(name, ""))).to_vec();
    let server = Pod { node: Some("n2".into()), ..Pod::clone(&inventory.pods[1]) };
    inventory.pods[1] = Arc::new(server);
    let node = |name: &str, ip: &str, cidr: &str| {
        let ips = vec![ip.parse().unwrap()];
        Arc::new(Node {
            name: name.into(),
            ips,
            pod_cidrs: vec![cidr.into()],
            route: Route::Tunnel,
            ..Node::default()
        })
    };
    inventory.nodes =
        vec![node("n1", "192.0.2.11", "10.42.0.0/28"), node("n2", "192.0.2.12", "10.42.7.0/24")];
    inventory.policies = Cluster::default().policy(guard).inventory.policies;
    inventory
}

fn kinds(engine: &mut Engine) -> Vec<FindingKind> {
    let found = |output| if let Output::Finding(update) = output { Some(update.finding.kind) } else { None };
    std::iter::from_fn(|| engine.next_output()).filter_map(found).collect()
}

/// Returns the findings about one attempt.
fn attempted(inventory: Inventory, tuple: FlowTuple, outcome: Outcome) -> Vec<FindingKind> {
    kinds(&mut attempted_in(inventory, tuple, outcome))
}

fn attempted_in(inventory: Inventory, tuple: FlowTuple, outcome: Outcome) -> Engine {
    let mut engine = Engine::new("n1");
    engine.handle(Input::Cluster { inventory: Arc::new(inventory) }, at(0));
    let Input::Attempt(seen) = rejected(60_000) else { unreachable!() };
    let icmp = (outcome == Outcome::Rejected).then_some((3, 3));
    engine.handle(Input::Attempt(AttemptSeen { tuple, outcome, icmp, ..seen }), at(60_000));
    engine.handle(Input::Tick, at(61_000));
    engine
}

#[test]
fn what_kube_router_refuses_at_the_own_node_is_denied_and_no_mismatch() {
    let closed = || on_nodes(policy("docs", "closed").egress(&[]));
    let tuple = FlowTuple { dport: 22, ..tuple("192.0.2.11") };
    let by_router = Inventory { enforcer: Enforcer::KubeRouter, ..closed() };
    assert_eq!(attempted(by_router, tuple, Outcome::Rejected), [FindingKind::PolicyDenied]);
    assert_eq!(attempted(closed(), tuple, Outcome::Rejected), [FindingKind::EnforcementMismatch]);
}

#[test]
fn a_host_port_is_refused_by_the_policies_of_its_pod() {
    let mut inventory = on_nodes(policy("postgres", "closed").ingress(&[]));
    let host = Some(HostPort { port: 15_432, ip: None });
    let port = ContainerPort { protocol: "TCP".into(), port: 5432, host, ..ContainerPort::default() };
    inventory.pods[1] = Arc::new(Pod { ports: vec![port], ..Pod::clone(&inventory.pods[1]) });
    let tuple = FlowTuple { dport: 15_432, ..tuple("192.0.2.12") };
    assert_eq!(attempted(inventory, tuple, Outcome::Rejected), [FindingKind::PolicyDenied]);
}

#[test]
fn a_pod_at_a_load_balancer_s_address_arrives_as_its_node() {
    let at_vip = |rule: &str| {
        let mut inventory = on_nodes(policy("postgres", "guard").ingress(&[rule]));
        let mut service = Service::clone(&inventory.services[0]);
        service.external_ips = vec!["198.51.100.9".parse().unwrap()];
        inventory.services = vec![Arc::new(service)];
        inventory
    };
    let (by_name, by_tunnel) = ("ns(kubernetes.io/metadata.name=docs)", "10.42.0.0/32");
    let vip = || tuple("198.51.100.9");
    assert_eq!(attempted(at_vip(by_name), vip(), Outcome::Rejected), [FindingKind::PolicyDenied]);
    assert_eq!(attempted(at_vip(by_tunnel), vip(), Outcome::Established), []);
}

#[test]
fn a_node_s_open_connection_to_a_cluster_ip_is_no_latent_denial_where_its_tunnel_is_admitted() {
    let latent = |rule: &str| {
        let mut engine = Engine::new("n1");
        let inventory = on_nodes(policy("postgres", "guard").ingress(&[rule]));
        engine.handle(Input::Cluster { inventory: Arc::new(inventory) }, at(0));
        let backend = Some(("10.42.0.12".parse().unwrap(), 5432));
        let tuple = FlowTuple { src: "192.0.2.11".parse().unwrap(), backend, ..tuple("10.43.0.9") };
        let open = OpenConnection { tuple, seen: at(0), older: true };
        engine.handle(Input::Connections { opened: vec![open], closed: vec![] }, at(1));
        engine.handle(Input::Tick, at(60_000));
        kinds(&mut engine)
    };
    assert_eq!(latent("10.42.0.0/32"), []);
    assert_eq!(latent("192.0.2.0/24"), [FindingKind::LatentDenial]);
}

#[test]
fn only_its_own_node_probes_a_pod() {
    let text = |src: &str, dport: u16| {
        let mut inventory = on_nodes(policy("docs", "elsewhere").ingress(&[]));
        let probes = vec![Probe { kind: ProbeKind::Liveness, port: 5432 }];
        inventory.pods[1] = Arc::new(Pod { probes, ..Pod::clone(&inventory.pods[1]) });
        let tuple = FlowTuple { src: src.parse().unwrap(), dport, ..tuple("10.42.0.12") };
        let mut engine = attempted_in(inventory, tuple, Outcome::Refused);
        let found = |output| if let Output::Finding(update) = output { Some(update.finding) } else { None };
        std::iter::from_fn(|| engine.next_output()).find_map(found).unwrap().summary
    };
    let of_node = text("192.0.2.12", 5432);
    assert!(of_node.contains("(probably the kubelet's liveness probe): nobody listens"), "{of_node}");
    for other in [text("192.0.2.12", 5433), text("192.0.2.11", 5432), text("10.42.0.10", 5432)] {
        assert!(other.contains("nobody listens") && !other.contains("probe"), "{other}");
    }
}
