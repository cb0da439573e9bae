//! Tests who is behind an address, as policies see it.

use std::sync::Arc;

use flow_model::connection::Who;
use flow_model::inventory::{Inventory, Pod};
use flow_model::testing::clusters::{cluster, node, pod, service};
use jiff::Timestamp;
use rstest::rstest;

use crate::Identity;

const NOW: Timestamp = Timestamp::MAX;
const UNNAMED: &str = "no known pod has this address, though it is a pod network's";
const SERVICE: &str = "it is a Service's address, and the backend is not known";
const NOTHING: &str = "no pods and no nodes are known";

fn known(inventory: Arc<Inventory>) -> Identity {
    let mut identity = Identity::new();
    identity.apply(inventory, NOW);
    identity
}

fn holder(identity: &Identity, ip: &str) -> String {
    match identity.party(ip.parse().unwrap(), NOW).who {
        Who::Pod(pod) => format!("pod {}/{}", pod.namespace, pod.name),
        Who::Node(node) => format!("node {node}"),
        Who::External => "external".to_owned(),
        Who::Unknown(why) => why.to_owned(),
    }
}

fn identity() -> Identity {
    let mut old = pod("web", "old", &["10.42.0.9"]);
    old.deleting = true;
    let mut done = pod("web", "done", &["10.42.0.11"]);
    done.finished = true;
    let mut agent = pod("kube-system", "agent", &["192.168.1.3"]);
    (agent.host_network, agent.node) = (true, Some("n3".into()));
    let mut n1 = node("n1", &["192.168.1.1", "fe80::1"]);
    n1.pod_cidrs = vec!["10.42.0.0/25".into(), "nonsense".into(), "fd42::/112".into()];
    let pods = [
        pod("web", "new", &["10.42.0.9", "fd42::9"]),
        old,
        done,
        agent,
        pod("far", "away", &["172.16.5.5", "fd00:5::5"]),
    ];
    let mut balanced = service("web", "shop", &["10.43.0.1"]);
    balanced.external_ips = vec!["192.168.1.1".parse().unwrap(), "192.168.1.99".parse().unwrap()];
    known(cluster(pods, [balanced], [n1]).inventory())
}

#[rstest]
#[case::of_two_the_one_that_stays("10.42.0.9", "pod web/new")]
#[case::v6("fd42::9", "pod web/new")]
#[case::mapped("::ffff:10.42.0.9", "pod web/new")]
#[case::finished_pods_own_none("10.42.0.11", UNNAMED)]
#[case::host_network_is_the_node("192.168.1.3", "node n3")]
#[case::before_a_service_at_the_same_address("192.168.1.1", "node n1")]
#[case::flannel_and_bridge("10.42.0.0", "node n1")]
#[case::flannel_and_bridge("10.42.0.1", "node n1")]
#[case::in_the_pod_network("10.42.0.77", UNNAMED)]
#[case::past_the_pod_network("10.42.0.130", "external")]
#[case::near_a_pod_of_no_known_network("172.16.5.200", UNNAMED)]
#[case::not_near("172.16.6.5", "external")]
#[case::near_v6("fd00:5::ffff", UNNAMED)]
#[case::in_v6("fd42::ffff", UNNAMED)]
#[case::past_v6("fd42::1:0", "external")]
#[case::cluster_ip("10.43.0.1", SERVICE)]
#[case::balancer("192.168.1.99", SERVICE)]
#[case::outside("8.8.8.8", "external")]
fn owners(#[case] ip: &str, #[case] who: &str) {
    assert_eq!(holder(&identity(), ip), who);
}

#[test]
fn nothing_known_is_no_outside_except_for_addresses_of_the_internet() {
    let nobody = known(Arc::default());
    for ip in ["10.42.0.9", "192.168.1.7", "100.64.0.1", "fd42::9", "fe80::1"] {
        assert_eq!(holder(&nobody, ip), NOTHING, "{ip}");
    }
    for ip in ["8.8.8.8", "203.0.113.9", "2001:db8::1"] {
        assert_eq!(holder(&nobody, ip), "external", "{ip}");
    }
}

#[test]
fn pods_show_the_addresses_of_their_nodes() {
    let host_ips = vec!["192.168.7.1".parse().unwrap(), "fd00:7::1".parse().unwrap()];
    let pod = Pod { host_ips, ..pod("web", "a", &["10.42.0.5"]).on("n7") };
    let identity = known(cluster([pod], [], []).inventory());
    for ip in ["192.168.7.1", "fd00:7::1"] {
        assert_eq!(holder(&identity, ip), "node n7");
    }
}
