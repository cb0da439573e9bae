//! The connections that a flow may be.

use flow_model::connection::{Connection, Who};
use flow_model::flow::Vantage;
use flow_model::network::{LocalDns, Route};
use flow_model::testing::clusters::{cluster, node, pod, service};
use rstest::rstest;

use super::*;
use crate::Access;

/// A shop behind a load balancer and a node port, with two backends, of which one is ready.
fn identity(local: bool) -> Identity {
    let mut shop = service("web", "shop", &["10.43.0.1"])
        .serving(":80/TCP")
        .backed_by("shop-1=10.42.0.10:8080")
        .backed_by("!shop-2=10.42.0.11:8080")
        .backed_by("=fd42::10:8080");
    shop.external_ips = vec![ip("10.0.20.200")];
    shop.ports[0].node_port = Some(30080);
    shop.external_local = local;
    let empty = service("web", "empty", &["10.43.0.2"]).serving(":80/TCP");
    // Its backend names a pod whose address the snapshot does not have yet.
    let young = service("web", "young", &["10.43.0.3"]).serving(":80/TCP").backed_by("young=10.42.0.99:8080");
    let itself =
        service("web", "itself", &["10.42.0.12"]).serving(":80/TCP").backed_by("shop-1=10.42.0.10:8080");
    let dns = service("web", "dns", &["10.43.0.4"]).serving(":80/UDP").backed_by("=10.42.0.10:53");
    let pods = [
        pod("web", "shop-1", &["10.42.0.10"]).on("n1"),
        pod("web", "shop-2", &["10.42.0.11"]).on("n2"),
        pod("web", "both", &["10.42.0.12"]).on("n2"),
        pod("web", "young", &[]),
    ];
    let mut n1 = node("n1", &["192.168.1.1", "fe80::1"]);
    n1.pod_cidrs = vec!["10.42.0.0/24".into()];
    let inventory = cluster(pods, [shop, empty, young, itself, dns], [n1, node("n2", &["192.168.1.2"])]);
    let mut identity = Identity::new();
    identity.apply(inventory.inventory(), Timestamp::MAX);
    identity
}

fn party(who: Who<'_>, ip: Option<IpAddr>) -> String {
    let ip = ip.map_or(String::new(), |ip| ip.to_string());
    match who {
        Who::Pod(pod) => pod.name.to_string(),
        Who::Node(node) => format!("{node}={ip}"),
        Who::External => ip,
        Who::Unknown(_) => format!("?{ip}"),
    }
}

fn shown(connection: &Connection<'_>) -> String {
    let Connection { src, dst, port, .. } = connection;
    format!("{}>{}:{port}", party(src.who, src.ip), party(dst.who, dst.ip))
}

#[rstest]
#[case::pod("10.42.0.11", "10.42.0.10", 80, "shop-2>shop-1:80")]
#[case::only_backends_that_are_ready("10.42.0.11", "10.43.0.1", 80, "shop-2>shop-1:8080")]
#[case::another_port_of_the_service("10.42.0.11", "10.43.0.1", 81, "shop-2>?10.43.0.1:81")]
#[case::port_of_another_protocol("10.42.0.11", "10.43.0.4", 80, "shop-2>?10.43.0.4:80")]
#[case::no_backend("10.42.0.11", "10.43.0.2", 80, "")]
#[case::backend_named_before_its_address("10.42.0.11", "10.43.0.3", 80, "shop-2>young:8080")]
#[case::own_address_of_a_pod_goes_first("10.42.0.11", "10.42.0.12", 80, "shop-2>both:80")]
#[case::a_pod_is_masqueraded_for_another_node("10.42.0.11", "10.0.20.200", 80, "n2=192.168.1.2>shop-1:8080")]
#[case::a_pod_is_not_for_its_own_node("10.42.0.10", "10.0.20.200", 80, "shop-1>shop-1:8080")]
#[case::inside_nobody_is("198.51.100.7", "10.43.0.1", 80, "198.51.100.7>shop-1:8080")]
#[case::outside_every_other_node_may(
    "198.51.100.7",
    "10.0.20.200",
    80,
    "198.51.100.7>shop-1:8080 n2=192.168.1.2>shop-1:8080"
)]
#[case::node_port_of_another_node("198.51.100.7", "192.168.1.2", 30080, "n2=192.168.1.2>shop-1:8080")]
#[case::node_port_of_the_backend_s_node("198.51.100.7", "192.168.1.1", 30080, "198.51.100.7>shop-1:8080")]
#[case::own_port_of_a_node("198.51.100.7", "192.168.1.2", 22, "198.51.100.7>n2=192.168.1.2:22")]
fn connections(#[case] src: &str, #[case] dst: &str, #[case] port: u16, #[case] expected: &str) {
    let identity = identity(false);
    let resolved = identity.resolve(&flow(src, ip(dst), port, None), Timestamp::MAX);
    let all: Vec<_> = resolved.possible().passages().map(|passage| shown(&passage.arriving)).collect();
    assert_eq!(all.join(" "), expected);
}

#[test]
fn what_was_seen_leaves_no_choice() {
    let seen = |local, backend, source: Option<&str>| {
        let identity = identity(local);
        let tuple = flow("198.51.100.7", ip("10.0.20.200"), 80, backend);
        let resolved = identity.resolve(&tuple, Timestamp::MAX).masqueraded_as(source.map(ip));
        let possible = resolved.possible();
        let all: Vec<_> = possible.passages().map(|passage| shown(&passage.arriving)).collect();
        (all.join(" "), resolved.client_endpoint().ip.to_string())
    };
    let backend = Some((ip("10.42.0.11"), 8080));
    let own = "198.51.100.7".to_owned();
    assert_eq!(seen(false, backend, None), ("198.51.100.7>shop-2:8080".to_owned(), own.clone()));
    assert_eq!(
        seen(false, backend, Some("192.168.1.2")),
        ("n2=192.168.1.2>shop-2:8080".to_owned(), own.clone()),
        "policies see the node, people see the client"
    );
    assert_eq!(seen(false, None, Some("192.168.1.2")).0, "n2=192.168.1.2>shop-1:8080");
    assert_eq!(seen(true, None, None), ("198.51.100.7>shop-1:8080".to_owned(), own));
}

#[test]
fn a_service_counts_all_backends_of_its_port() {
    let identity = identity(false);
    let resolved = identity.resolve(&flow("10.42.0.11", ip("10.43.0.1"), 80, None), Timestamp::MAX);
    let behind = resolved.service_port().unwrap();
    assert_eq!(behind.backends().count(), 3);
    assert_eq!(behind.backends().filter(|backend| backend.ready).count(), 2);
}

#[test]
fn a_name_is_reached_in_every_way() {
    let identity = identity(false);
    let known = identity.service(&"web".into(), &"shop".into()).unwrap();
    assert!(Access::ByName.may_masquerade(known.service()));
    assert!(!Access::at(known.service(), ip("::ffff:10.43.0.1")).may_masquerade(known.service()));
    assert!(Access::at(known.service(), ip("10.0.20.200")).may_masquerade(known.service()));
    assert!(!Access::ByName.leads_to(known.service(), ip("fd42::10")));
}

/// A UDP and a TCP Service may have the same node port.
#[test]
fn a_node_port_is_the_tcp_service_s() {
    let mut udp = service("a", "udp", &["10.43.0.5"]).serving(":53/UDP");
    let mut tcp = service("b", "tcp", &["10.43.0.6"]).serving(":53/TCP");
    udp.ports[0].node_port = Some(30053);
    tcp.ports[0].node_port = Some(30053);
    let mut identity = Identity::new();
    let inventory = cluster([], [udp, tcp], [node("n1", &["192.168.1.1"])]);
    identity.apply(inventory.inventory(), Timestamp::MAX);
    let endpoint = server(&identity, ip("192.168.1.1"), 30053, None, Timestamp::MAX);
    assert_eq!(endpoint.service, Some("b/tcp".into()));
}

/// On a node a number means a node port, even where the same Service has a port of that number at its own addresses.
#[test]
fn a_node_port_goes_before_a_port_of_the_same_number() {
    let mut shop = service("web", "shop", &["10.43.0.1"])
        .serving("admin:30080/TCP")
        .backed_by("=10.42.0.10:9090")
        .serving("web:80/TCP")
        .backed_by("=10.42.0.10:8080");
    shop.ports[1].node_port = Some(30080);
    let mut identity = Identity::new();
    let inventory = cluster([], [shop], [node("n1", &["192.168.1.1"])]);
    identity.apply(inventory.inventory(), Timestamp::MAX);
    let port = |dst| {
        let resolved = identity.resolve(&flow("198.51.100.7", ip(dst), 30080, None), Timestamp::MAX);
        resolved.service_port().unwrap().port().port
    };
    assert_eq!((port("192.168.1.1"), port("10.43.0.1")), (80, 30080));
}

#[rstest]
#[case::source("10.42.0.10", "10.42.0.11", None, Vantage::Source)]
#[case::destination("10.42.0.11", "10.42.0.10", None, Vantage::Destination)]
#[case::at_the_backend("10.42.0.11", "10.43.0.1", Some("10.42.0.10"), Vantage::Destination)]
#[case::neither("10.42.0.11", "10.43.0.1", None, Vantage::Transit)]
fn a_flow_passes_where_its_pods_are(
    #[case] src: &str,
    #[case] dst: &str,
    #[case] backend: Option<&str>,
    #[case] expected: Vantage,
) {
    let identity = identity(false);
    let tuple = flow(src, ip(dst), 80, backend.map(|address| (ip(address), 8080)));
    assert_eq!(identity.resolve(&tuple, Timestamp::MAX).vantage("n1"), expected);
}

/// Nodes leave `ipMode: Proxy` to the load balancer, and a DNS cache may listen where the DNS Service has its address.
#[rstest]
#[case::proxied("10.0.20.201", 53, None, true)]
#[case::proxied_and_not_replaced("10.0.20.201", 53, Some("10.0.20.201"), true)]
#[case::a_node_took_it("10.0.20.201", 53, Some("10.42.0.10"), false)]
#[case::cached("10.43.0.10", 53, None, true)]
#[case::cached_and_not_replaced("10.43.0.10", 53, Some("10.43.0.10"), true)]
#[case::not_cached("10.43.0.10", 53, Some("10.42.0.10"), false)]
#[case::another_port("10.43.0.10", 9153, None, false)]
fn some_ways_lead_beyond(
    #[case] dst: &str,
    #[case] port: u16,
    #[case] backend: Option<&str>,
    #[case] beyond: bool,
) {
    let mut dns =
        service("kube-system", "kube-dns", &["10.43.0.10"]).serving(":53/TCP").backed_by("dns=10.42.0.10:53");
    dns.vips = vec![ip("10.0.20.201")];
    dns.proxied_ips = vec![ip("10.0.20.201")];
    let pods =
        [pod("kube-system", "dns", &["10.42.0.10"]).on("n1"), pod("web", "c", &["10.42.0.11"]).on("n1")];
    let mut inventory = cluster(pods, [dns], [node("n1", &["192.168.1.1"])]).inventory;
    for ips in [vec![], vec![ip("169.254.20.10"), ip("10.43.0.10")]] {
        inventory.local_dns = Some(LocalDns { ips });
        let mut identity = Identity::new();
        identity.apply(Arc::new(inventory.clone()), Timestamp::MAX);
        let tuple = flow("10.42.0.11", ip(dst), port, backend.map(|backend| (ip(backend), port)));
        let possible = identity.resolve(&tuple, Timestamp::MAX).possible();
        assert_eq!((possible.beyond().is_some(), possible.passages().next().is_none()), (beyond, beyond));
    }
}

/// Backends on different nodes see different addresses of one client, which is no choice at any of them.
#[test]
fn a_client_with_one_address_at_each_place_is_not_masqueraded() {
    let mut shop = service("web", "shop", &["10.43.0.1"])
        .serving(":80/TCP")
        .backed_by("a=10.42.0.10:8080")
        .backed_by("b=10.42.1.10:8080");
    shop.external_ips = vec![ip("10.0.20.200")];
    let pods = [
        pod("web", "a", &["10.42.0.10"]).on("n1"),
        pod("web", "b", &["10.42.1.10"]).on("n2"),
        pod("web", "c", &["10.42.0.11"]).on("n1"),
    ];
    let mut nodes = [node("n1", &["192.168.1.1"]), node("n2", &["192.168.1.2"])];
    nodes.iter_mut().for_each(|node| node.route = Route::Direct);
    let mut identity = Identity::new();
    identity.apply(cluster(pods, [shop], nodes).inventory(), Timestamp::MAX);
    let possible = |src| {
        let possible = identity.resolve(&flow(src, ip("10.0.20.200"), 80, None), Timestamp::MAX).possible();
        (possible.passages().count(), possible.may_be_masqueraded())
    };
    assert_eq!(possible("10.42.0.11"), (2, false));
    assert_eq!(possible("198.51.100.7"), (4, true));
}
