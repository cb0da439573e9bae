//! Addresses in other networks than the cluster's.

use super::*;
use crate::identity::Holder;

/// `primary` and `attached` addresses of a pod.
fn multihomed(name: &str, primary: &str, attached: &[&str]) -> Arc<Pod> {
    let attached_ips = attached.iter().map(|text| ip(text)).collect();
    Arc::new(Pod { attached_ips, ..mk_pod(name, &[primary], Some(0.0)) })
}

fn identity(pods: Vec<Arc<Pod>>, inventory: Inventory) -> Identity {
    let mut identity = Identity::new();
    identity.apply(Arc::new(Inventory { pods, ..inventory }), t(0.0));
    identity
}

#[test]
fn it_names_the_pod_and_its_verdict_is_unknown() {
    let pods = vec![multihomed("a-1", "10.42.0.5", &["192.168.1.205", "fd01::5"])];
    let identity = identity(pods, Inventory::default());
    for address in ["192.168.1.205", "fd01::5"] {
        let holder = identity.holder(ip(address), t(1.0));
        assert_eq!(holder.named_pod().map(|pod| &*pod.name), Some("a-1"));
        assert!(holder.pod().is_none() && matches!(holder.who(), flow_model::connection::Who::Unknown(_)));
    }
    assert!(identity.holder(ip("10.42.0.5"), t(1.0)).pod().is_some());
    // Before the pod began, it was somebody else's.
    assert!(identity.holder(ip("192.168.1.205"), t(-9.0)).named_pod().is_none());
}

#[test]
fn two_pods_with_one_address_are_not_named() {
    let pods = vec![
        multihomed("a-1", "10.42.0.5", &["192.168.1.205"]),
        multihomed("b-1", "10.42.0.6", &["192.168.1.205", "192.168.1.206", "192.168.1.206"]),
    ];
    let identity = identity(pods, Inventory::default());
    assert!(matches!(identity.holder(ip("192.168.1.205"), t(1.0)), Holder::Attached(None)));
    assert!(matches!(identity.holder(ip("192.168.1.206"), t(1.0)), Holder::Attached(Some(_))));
}

/// Another network may use any of the cluster's addresses for itself.
#[test]
fn what_the_cluster_has_goes_first() {
    let stolen = ["10.42.0.6", "10.42.0.77", "10.0.0.1", "10.43.0.80"];
    let pods =
        vec![multihomed("a-1", "10.42.0.5", &stolen), Arc::new(mk_pod("b-1", &["10.42.0.6"], Some(0.0)))];
    let node = Node { name: "k9".into(), ips: vec![ip("10.0.0.1")], ..Default::default() };
    let services = vec![Arc::new(mk_service("web/s", &["10.43.0.80"], 80, &[]))];
    let nodes = vec![Arc::new(node)];
    let identity = identity(pods, Inventory { nodes, services, ..Inventory::default() });
    let holder = |text| identity.holder(ip(text), t(1.0));
    assert_eq!(holder("10.42.0.6").named_pod().map(|pod| &*pod.name), Some("b-1"));
    assert!(matches!(holder("10.42.0.77"), Holder::Unnamed));
    assert!(matches!(holder("10.0.0.1"), Holder::Node(_)));
    assert!(matches!(holder("10.43.0.80"), Holder::Service));
}
