//! Services, backends and nodes.

use arcstr::ArcStr;

use super::*;

const VIP: &str = "10.43.239.89";
const PG: &str = "10.42.0.12";

/// The cluster of the first incident, and a node with a listener.
fn identity() -> Identity {
    let mut lb = mk_service("kube-system/traefik", &["10.43.0.80"], 80, &["10.42.0.80=traefik-1"]);
    lb.external_ips = vec![ip("192.168.0.1"), ip("10.0.20.200")];
    lb.ports[0].node_port = Some(30080);
    let pods = [
        mk_pod("postgres/pg-1", &[PG], Some(0.0)),
        mk_pod("postgres/pg-2", &["10.42.1.12"], Some(0.0)),
        mk_pod("postgres/other-1", &["10.42.1.13"], Some(0.0)),
        mk_pod("kube-system/traefik-1", &["10.42.0.80"], Some(0.0)),
        mk_host_pod("kube-system/exporter-1", "192.168.0.1", &[9100, 9200]),
        mk_host_pod("kube-system/twin-1", "192.168.0.1", &[9200]),
    ];
    let services = [
        mk_service("postgres/rw", &[VIP], 5432, &[PG]),
        mk_service("postgres/ro", &["10.43.0.2"], 5432, &["10.42.0.12=pg-1", "10.42.1.12=pg-2"]),
        mk_service("postgres/mixed", &["10.43.0.3"], 5432, &[PG, "10.42.1.13"]),
        mk_service("postgres/outside", &["10.43.0.4"], 5432, &[PG, "192.0.2.77"]),
        lb,
    ];
    let mut inventory = mk_inventory(pods, services);
    inventory.nodes.push(Arc::new(mk_node("k1", "192.168.0.1", "10.42.0.0/24")));
    inventory.nodes.push(Arc::new(mk_node("k2", "192.168.0.2", "10.42.1.0/24")));
    let mut identity = Identity::new();
    identity.apply(Arc::new(inventory), t(100.0));
    identity
}

/// `service namespace/pod workload node backend`, `-` where unknown.
fn named(endpoint: &Endpoint) -> String {
    let text = |name: &Option<ArcStr>| name.as_deref().unwrap_or("-").to_owned();
    let backend = match (endpoint.backend_ip, endpoint.backend_port) {
        (None, None) => "-".to_owned(),
        (ip, port) => format!(
            "{}:{}",
            ip.map(|ip| ip.to_string()).unwrap_or_default(),
            port.map(|port| port.to_string()).unwrap_or_default()
        ),
    };
    let service = endpoint.service.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let [namespace, pod] = [&endpoint.namespace, &endpoint.pod].map(text);
    format!("{service} {namespace}/{pod} {} {} {backend}", text(&endpoint.workload), text(&endpoint.node))
}

#[rstest::rstest]
#[case::backend_seen(VIP, 5432, Some((PG, 5432)), "postgres/rw postgres/pg-1 pg - 10.42.0.12:")]
#[case::other_target_port("10.43.0.80", 80, Some(("10.42.0.80", 8000)), "kube-system/traefik kube-system/traefik-1 traefik - 10.42.0.80:8000")]
#[case::backend_not_seen(VIP, 5432, None, "postgres/rw postgres/- pg - -")]
#[case::one_workload("10.43.0.2", 5432, None, "postgres/ro postgres/- pg - -")]
#[case::two_workloads("10.43.0.3", 5432, None, "postgres/mixed postgres/- - - -")]
#[case::unknown_backend("10.43.0.4", 5432, None, "postgres/outside postgres/- - - -")]
#[case::outside_backend("10.43.0.4", 5432, Some(("192.0.2.77", 5432)), "postgres/outside postgres/- - - 192.0.2.77:")]
#[case::not_its_port(VIP, 5433, None, "postgres/rw postgres/- pg - -")]
#[case::mapped("::ffff:10.43.239.89", 5432, Some(("::ffff:10.42.0.12", 5432)), "postgres/rw postgres/pg-1 pg - 10.42.0.12:")]
#[case::load_balancer("10.0.20.200", 80, None, "kube-system/traefik kube-system/- traefik - -")]
#[case::node_as_load_balancer("192.168.0.1", 80, None, "kube-system/traefik kube-system/- traefik k1 -")]
#[case::another_port_of_that_node("192.168.0.1", 6443, None, "- -/- - k1 -")]
#[case::node_port("192.168.0.2", 30080, None, "kube-system/traefik kube-system/- traefik k2 -")]
#[case::node_port_backend("192.168.0.2", 30080, Some(("10.42.0.80", 8000)), "kube-system/traefik kube-system/traefik-1 traefik - 10.42.0.80:8000")]
#[case::not_a_node("192.0.2.5", 30080, None, "- -/- - - -")]
#[case::pod_directly(PG, 5432, None, "- postgres/pg-1 pg - -")]
#[case::pod_as_its_own_backend(PG, 5432, Some((PG, 5432)), "- postgres/pg-1 pg - -")]
#[case::host_listener("192.168.0.1", 9100, None, "- kube-system/exporter-1 exporter k1 -")]
#[case::two_host_listeners("192.168.0.1", 9200, None, "- -/- - k1 -")]
#[case::bridge("10.42.1.1", 80, None, "- -/- - k2 -")]
#[case::overlay("10.42.1.0", 80, None, "- -/- - k2 -")]
fn servers(#[case] dst: &str, #[case] port: u16, #[case] backend: Option<(&str, u16)>, #[case] expect: &str) {
    let backend = backend.map(|(address, port)| (ip(address), port));
    let endpoint = server(&identity(), ip(dst), port, backend, t(101.0));
    assert_eq!((endpoint.ip, endpoint.port), (ip(dst), port));
    assert_eq!(named(&endpoint), expect);
}

#[test]
fn a_client_in_the_nodes_network_is_the_node() {
    for (address, node) in [("192.168.0.1", "k1"), ("10.42.0.1", "k1"), ("10.42.1.0", "k2")] {
        let endpoint = client(&identity(), ip(address), 9100, t(101.0));
        assert_eq!(named(&endpoint), format!("- -/- - {node} -"));
    }
}

#[test]
fn a_host_pod_tells_the_node_where_nodes_are_unknown() {
    let identity = after([(9.0, vec![mk_host_pod("h-1", "192.168.0.9", &[])])]);
    assert_eq!(client(&identity, ip("192.168.0.9"), 1, t(9.0)).node.as_deref(), Some("k1"));
}

#[test]
fn a_service_is_remembered_like_a_pod() {
    let mut identity = Identity::new();
    let old = mk_service("a/old", &[VIP], 80, &[]);
    identity.apply(Arc::new(mk_inventory([], [old])), t(0.0));
    identity.apply(Arc::new(mk_inventory([], [])), t(10.0));
    let service = |identity: &Identity, at: f64| {
        server(identity, ip(VIP), 80, None, t(at)).service.map(|service| service.to_string())
    };
    assert_eq!(service(&identity, 309.0).as_deref(), Some("a/old"));
    assert_eq!(service(&identity, 311.0), None);
    identity.apply(Arc::new(mk_inventory([], [mk_service("z/new", &[VIP], 80, &[])])), t(20.0));
    assert_eq!(service(&identity, 30.0).as_deref(), Some("z/new"));
    identity.prune(t(900.0));
    assert_eq!(service(&identity, 12.0).as_deref(), Some("z/new"));
}

#[test]
fn services_may_share_an_address() {
    let mut udp = mk_service("a/udp", &[VIP], 53, &[]);
    udp.ports[0].protocol = "UDP".into();
    let mut only_udp = mk_service("a/quic", &[VIP], 443, &[]);
    only_udp.ports[0].protocol = "UDP".into();
    let tcp = mk_service("a/tcp", &[VIP], 53, &[]);
    for services in [[udp.clone(), tcp.clone(), only_udp.clone()], [only_udp, tcp, udp]] {
        let mut identity = Identity::new();
        identity.apply(Arc::new(mk_inventory([], services)), t(0.0));
        let service =
            |port| server(&identity, ip(VIP), port, None, t(1.0)).service.map(|service| service.to_string());
        assert_eq!(service(53).as_deref(), Some("a/tcp"));
        assert_eq!(service(443).as_deref(), Some("a/quic"));
        assert_eq!(service(9), None, "it may be any of the three");
    }
}

/// k3s' load balancer gives nodes' addresses to Services; annotations ask for addresses that no status names yet.
#[rstest::rstest]
#[case::vip("10.0.20.200", 5432, true)]
#[case::mapped("::ffff:10.0.20.200", 5432, true)]
#[case::another_port("10.0.20.200", 22, true)]
#[case::only_asked_for("10.0.20.201", 5432, true)]
#[case::node_on_its_port("192.168.0.1", 5432, true)]
#[case::node("192.168.0.1", 22, false)]
#[case::cluster_ip("10.43.0.9", 5432, false)]
#[case::outside("192.0.2.1", 5432, false)]
fn a_vip_and_its_service(#[case] address: &str, #[case] port: u16, #[case] expect: bool) {
    let mut lb = mk_service("dbaas/postgresql-lb", &["10.43.0.9"], 5432, &[]);
    lb.external_ips = ["10.0.20.200", "192.168.0.1"].map(ip).to_vec();
    lb.vips = ["10.0.20.200", "192.168.0.1", "10.0.20.201"].map(ip).to_vec();
    let mut inventory = mk_inventory([], [lb]);
    inventory.nodes.push(Arc::new(mk_node("k1", "192.168.0.1", "10.42.0.0/24")));
    let mut identity = Identity::new();
    identity.apply(Arc::new(inventory), t(0.0));
    let vip = identity.resolve(&flow("192.0.2.9", ip(address), port, None), t(1.0)).vip();
    assert_eq!(vip, expect.then(|| ip(address).to_canonical()));
    let service =
        server(&identity, ip(address), port, None, t(1.0)).service.map(|service| service.to_string());
    assert_eq!(service.is_some(), expect || address == "10.43.0.9");
}

/// Pods in a node's network, as that node's kernel tells them.
#[rstest::rstest]
#[case::listens(Some("uid-exporter-1"), "k1", 9200, "- kube-system/exporter-1 exporter k1 -")]
#[case::goes_before_what_is_declared(Some("uid-twin-1"), "k1", 9100, "- kube-system/twin-1 twin k1 -")]
#[case::another_nodes_kernel(Some("uid-twin-1"), "k2", 9200, "- -/- - k1 -")]
#[case::a_pod_with_a_network_of_its_own(Some("uid-pg-1"), "k1", 9200, "- -/- - k1 -")]
#[case::nobody(None, "k1", 9200, "- -/- - k1 -")]
#[case::a_services_port(Some("uid-twin-1"), "k1", 30080, "kube-system/traefik kube-system/- traefik k1 -")]
fn a_pod_in_the_nodes_network_is_named_by_its_socket(
    #[case] uid: Option<&str>,
    #[case] node: &str,
    #[case] port: u16,
    #[case] expected: &str,
) {
    let mut inventory = (**identity().inventory()).clone();
    for pod in inventory.pods.iter_mut().filter(|pod| pod.host_network) {
        Arc::make_mut(pod).node = Some("k1".into());
    }
    let mut identity = Identity::new();
    identity.apply(Arc::new(inventory), t(100.0));
    let tuple = FlowTuple {
        src: ip("192.168.0.1"),
        sport: 40_000,
        dst: ip("192.168.0.1"),
        dport: port,
        backend: None,
    };
    let resolved = identity.resolve(&tuple, t(100.0));
    assert_eq!(named(&resolved.owned_by(None, uid, node).server_endpoint()), expected);
    let client = resolved.owned_by(uid, None, node).client_endpoint();
    let pod = uid.filter(|uid| node == "k1" && *uid != "uid-pg-1").map(|uid| &uid[4..]);
    assert_eq!(client.pod.as_deref(), pod);
    assert_eq!(client.node.as_deref(), Some("k1"));
}
