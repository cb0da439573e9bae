//! Tests who is behind the addresses of flows.

use flow_model::connection::Who;
use flow_model::network::LocalDns;
use flow_model::testing::clusters::{cluster, node, pod, service};
use flow_model::testing::policy;
use jiff::Timestamp;
use rstest::rstest;

use super::*;

/// Pods of which one is in no podCIDR, a Service with a load balancer's address, and a node.
fn inventory() -> Arc<Inventory> {
    let pods = [
        pod("data", "db-0", &["10.42.0.10"]).on("n1"),
        pod("data", "db-1", &["10.42.0.11"]).on("n1"),
        pod("far", "away", &["172.16.5.5"]),
    ];
    let mut db = service("data", "db", &["10.43.0.1"])
        .serving(":5432/TCP")
        .backed_by("db-0=10.42.0.10:5432")
        .backed_by("db-1=10.42.0.11:5432");
    db.external_ips = vec!["192.0.2.200".parse().unwrap()];
    db.vips = vec!["192.0.2.201".parse().unwrap()];
    let mut n1 = node("n1", &["192.168.1.1"]);
    n1.pod_cidrs = vec!["10.42.0.0/24".into()];
    let only_web = policy("data", "only-web").ingress(&["ns(kubernetes.io/metadata.name=web)"]);
    let db_1 = policy("data", "db-1").on("app=db-1").ingress(&["172.16.5.5/32"]);
    cluster(pods, [db], [n1]).policy(only_web).policy(db_1).inventory()
}

fn flow(src: &str, dst: &str) -> BaselineFlow {
    let bare = |ip: &str| BaselineEnd::bare(ip.parse().unwrap());
    let time = Timestamp::from_second(1_700_000_000).unwrap();
    BaselineFlow {
        src: bare(src),
        dst: bare(dst),
        port: 5432,
        service_port: None,
        protocol: Protocol::Tcp,
        count: 1,
        first_seen: time,
        last_seen: time,
        open: 0,
    }
}

/// The live rule in `flow-identity` gives the same answers.
#[rstest]
#[case::in_the_pod_network("10.42.0.77", "unknown")]
#[case::near_a_pod_of_no_known_network("172.16.5.200", "unknown")]
#[case::balancer("192.0.2.200", "unknown")]
#[case::announced("192.0.2.201", "unknown")]
#[case::cluster_ip("10.43.0.1", "unknown")]
#[case::bridge_of_a_node("10.42.0.1", "node n1")]
#[case::node("192.168.1.1", "node n1")]
#[case::outside("198.51.100.7", "external")]
#[case::the_pod_that_has_it("172.16.5.5", "pod away")]
fn unnamed_addresses(#[case] ip: &str, #[case] expected: &str) {
    let flow = flow(ip, "10.42.0.10");
    let parties = Parties::new(&inventory(), std::slice::from_ref(&flow));
    let connections: Vec<_> = parties.possible(&flow).passages().map(|passage| passage.arriving).collect();
    let [connection] = &*connections else { panic!("{connections:?}") };
    let who = match connection.src.who {
        Who::Unknown(_) => "unknown".to_owned(),
        who => shown(who),
    };
    assert_eq!(who, expected);
}

fn shown(who: Who<'_>) -> String {
    match who {
        Who::Pod(pod) => format!("pod {}", pod.name),
        Who::Node(node) => format!("node {node}"),
        Who::External => "external".to_owned(),
        Who::Unknown(why) => why.to_owned(),
    }
}

/// The names of a Service stand beside what its backend is, as in live verdicts. The backend of `default/kubernetes` is
/// a node.
#[rstest]
#[case::node("192.168.1.1", 6443, Some("n1"), "data/db", "node n1")]
#[case::node_by_its_address("192.168.1.1", 6443, None, "data/db", "node n1")]
#[case::outside("198.51.100.7", 8080, None, "data/db", "external")]
#[case::cluster_ip(
    "10.43.0.1",
    81,
    None,
    "data/db",
    "it is a Service's address, and the backend is not known"
)]
#[case::of_a_service_that_is_gone("10.43.0.9", 443, None, "data/gone", "which pod it was is not known")]
fn service_names_without_a_pod(
    #[case] ip: &str,
    #[case] port: u16,
    #[case] node: Option<&str>,
    #[case] service: &str,
    #[case] expected: &str,
) {
    let mut flow = BaselineFlow { port, ..flow("10.42.0.10", ip) };
    flow.dst.node = node.map(ArcStr::from);
    (flow.dst.namespace, flow.dst.service) = (Some("data".into()), Some(service.into()));
    let parties = Parties::new(&inventory(), std::slice::from_ref(&flow));
    let connections: Vec<_> = parties.possible(&flow).passages().map(|passage| passage.arriving).collect();
    let [connection] = &*connections else { panic!("{connections:?}") };
    assert_eq!(shown(connection.dst.who), expected);
}

/// All backends must agree, as for live flows.
#[rstest]
#[case::all_refuse("198.51.100.7", Some(Decision::Deny), "refused by NetworkPolicy data/only-web")]
#[case::one_admits("172.16.5.5", None, "the backends of Service data/db are judged differently")]
fn a_service_without_its_backend_is_judged_at_all_of_them(
    #[case] src: &str,
    #[case] expected: Option<Decision>,
    #[case] why: &str,
) {
    let mut flow = flow(src, "10.43.0.1");
    (flow.dst.namespace, flow.dst.service) = (Some("data".into()), Some("data/db".into()));
    let inventory = inventory();
    let (parties, judge) = (Parties::new(&inventory, std::slice::from_ref(&flow)), Judge::new(&inventory));
    let possible = parties.possible(&flow);
    let decision = judge.agreed(&possible);
    assert_eq!(decision, expected);
    let after = decision.unwrap_or(Decision::Unknown);
    let group = explained(group(&flow, after, Decision::Allow), &judge, &possible);
    assert!(group.explanation.contains(why), "{}", group.explanation);
}

/// A load balancer takes what goes to its own address, and a DNS cache on every node what goes to that of the DNS Service.
#[rstest]
#[case::left_to_the_balancer("192.0.2.202", 5432, "ipMode Proxy")]
#[case::dns_cache_at_the_service("10.43.0.10", 53, "a DNS cache on the client's own node may answer")]
#[case::dns_cache_at_its_address("169.254.20.10", 53, "a DNS cache on the client's own node may answer")]
fn a_flow_beyond_what_is_known_is_unknown(#[case] dst: &str, #[case] port: u16, #[case] why: &str) {
    let mut inventory = Inventory::clone(&inventory());
    Arc::make_mut(&mut inventory.services[0]).proxied_ips = vec!["192.0.2.202".parse().unwrap()];
    inventory.policies.namespaced.push(Arc::new(policy("data", "closed").egress(&[])));
    let ips = ["10.43.0.10", "169.254.20.10"].map(|ip| ip.parse().unwrap()).into();
    inventory.local_dns = Some(LocalDns { ips });
    let inventory = Arc::new(inventory);
    let flow = BaselineFlow { port, ..flow("10.42.0.10", dst) };
    let (parties, judge) = (Parties::new(&inventory, std::slice::from_ref(&flow)), Judge::new(&inventory));
    let possible = parties.possible(&flow);
    assert_eq!(judge.agreed(&possible), None);
    let group = explained(group(&flow, Decision::Unknown, Decision::Allow), &judge, &possible);
    assert!(group.explanation.contains(why), "{}", group.explanation);
}

/// The same two pods, by the address that the client used. A node puts its own address in place of the client's for
/// another node's backend, where the traffic policy doesn't keep it.
#[rstest]
#[case::cluster_ip(Some("10.43.0.1"), false, Some(Decision::Allow))]
#[case::balancer(Some("192.0.2.200"), false, Some(Decision::Deny))]
#[case::balancer_that_keeps_the_client(Some("192.0.2.200"), true, Some(Decision::Allow))]
#[case::straight(None, false, Some(Decision::Allow))]
fn the_address_that_was_used_decides(
    #[case] used: Option<&str>,
    #[case] local: bool,
    #[case] expected: Option<Decision>,
) {
    let mut inventory = Inventory::clone(&inventory());
    inventory.nodes.push(Arc::new(node("n2", &["192.168.1.2"])));
    inventory.pods.push(Arc::new(pod("web", "front", &["10.42.1.5"]).on("n2")));
    Arc::make_mut(&mut inventory.services[0]).external_local = local;
    let inventory = Arc::new(inventory);
    let mut flow = BaselineFlow { service_port: Some(5432), ..flow("10.42.1.5", "10.42.0.10") };
    (flow.src.namespace, flow.src.pod) = (Some("web".into()), Some("front".into()));
    (flow.dst.namespace, flow.dst.pod) = (Some("data".into()), Some("db-0".into()));
    (flow.dst.service, flow.dst.used) = (Some("data/db".into()), used.map(|ip| ip.parse().unwrap()));
    let (parties, judge) = (Parties::new(&inventory, std::slice::from_ref(&flow)), Judge::new(&inventory));
    assert_eq!(judge.agreed(&parties.possible(&flow)), expected);
}
