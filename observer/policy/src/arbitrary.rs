//! Random small clusters, changes of them, and connections in them. There are few names, labels and addresses, so that
//! selectors and blocks match often.
//!
//! Tests use this module, and fuzz targets use it by the feature `arbitrary`.

mod edits;
mod policies;
mod questions;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{ContainerPort, Inventory, Labels, Namespace, Node, Pod, Workload};
use flow_model::network::Enforcer;
use flow_model::policies::{NetworkPolicy, Policies};
use proptest::prelude::*;
use proptest::sample::select;

pub use edits::{Edit, edit, read_again};
pub use questions::{Question, question};

use policies::{broken, network_policy, tier_policy};
use questions::pod_ip;

pub(crate) const METADATA_NAME: &str = "kubernetes.io/metadata.name";
const NAMESPACES: [&str; 3] = ["red", "green", "blue"];
const NODES: [&str; 3] = ["n1", "n2", "gone"];
const KEYS: [&str; 3] = ["app", "role", "env"];
const VALUES: [&str; 2] = ["x", "y"];
const PORT_NAMES: [&str; 2] = ["http", "db"];
const PORTS: [u16; 4] = [53, 80, 443, 5432];

/// Generates a cluster with up to 12 NetworkPolicies.
pub fn inventory() -> impl Strategy<Value = Inventory> {
    let pods = prop::collection::vec(pod(), 1..9);
    let namespaces = prop::collection::vec(prop::option::weighted(0.85, labels()), NAMESPACES.len());
    let nodes = prop::collection::vec(labels(), 0..3);
    (pods, namespaces, nodes, policies(), enforcer()).prop_map(
        |(pods, namespaces, nodes, policies, enforcer)| {
            let mut inventory = Inventory { policies, enforcer, ..Inventory::default() };
            for pod in pods {
                put_pod(&mut inventory, pod);
            }
            for (name, labels) in NAMESPACES.into_iter().zip(namespaces) {
                put_namespace(&mut inventory, name, labels);
            }
            for (n, labels) in nodes.into_iter().enumerate() {
                inventory.nodes.push(Arc::new(node(n, labels)));
            }
            inventory
        },
    )
}

pub(crate) fn enforcer() -> impl Strategy<Value = Enforcer> {
    select(vec![Enforcer::Spec, Enforcer::KubeRouter, Enforcer::KubeRouter, Enforcer::Cilium])
}

fn policies() -> impl Strategy<Value = Policies> {
    let few = |some: f64| prop::bool::weighted(some);
    let namespaced = prop::collection::btree_map(0u8..12, network_policy(), 0..13);
    let tiered = prop::collection::vec(tier_policy(), 1..5);
    let broken = prop::collection::vec(broken(), 1..3);
    (namespaced, few(0.4), tiered, few(0.15), broken).prop_map(
        |(namespaced, with_tiers, tiered, with_broken, broken)| {
            let mut policies = Policies::default();
            for (n, mut policy) in namespaced {
                policy.name = arcstr::format!("p{n}");
                put_policy(&mut policies, policy);
            }
            policies.tiered =
                if with_tiers { tiered.into_iter().map(Arc::new).collect() } else { Vec::new() };
            policies.broken =
                if with_broken { broken.into_iter().map(Arc::new).collect() } else { Vec::new() };
            policies
        },
    )
}

/// Adds a policy in its place, or replaces the one of that name.
fn put_policy(policies: &mut Policies, policy: NetworkPolicy) {
    let key = |policy: &NetworkPolicy| (policy.namespace.clone(), policy.name.clone());
    match policies.namespaced.binary_search_by_key(&key(&policy), |other| key(other)) {
        Ok(at) => policies.namespaced[at] = Arc::new(policy),
        Err(at) => policies.namespaced.insert(at, Arc::new(policy)),
    }
}

fn put_pod(inventory: &mut Inventory, pod: Pod) {
    let same = |other: &Arc<Pod>| (&other.namespace, &other.name) == (&pod.namespace, &pod.name);
    match inventory.pods.iter().position(same) {
        Some(at) => inventory.pods[at] = Arc::new(pod),
        None => inventory.pods.push(Arc::new(pod)),
    }
}

fn put_namespace(inventory: &mut Inventory, name: &str, labels: Option<Labels>) {
    inventory.namespaces.retain(|namespace| namespace.name != name);
    if let Some(mut labels) = labels {
        labels.insert(METADATA_NAME.into(), name.into());
        inventory.namespaces.push(Arc::new(Namespace { name: name.into(), labels }));
    }
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::vec(prop::option::weighted(0.6, word(&VALUES)), KEYS.len()).prop_map(|values| {
        let pairs = KEYS.into_iter().zip(values);
        pairs.filter_map(|(key, value)| Some((ArcStr::from(key), value?))).collect::<BTreeMap<_, _>>()
    })
}

fn word<const N: usize>(words: &'static [&'static str; N]) -> impl Strategy<Value = ArcStr> + Clone {
    select(&words[..]).prop_map(ArcStr::from)
}

fn node(n: usize, labels: Labels) -> Node {
    let ip = IpAddr::from([192, 168, 1, n as u8 + 1]);
    Node { name: NODES[n].into(), labels, ips: vec![ip], pod_cidrs: Vec::new(), ..Node::default() }
}

pub(crate) fn pod() -> impl Strategy<Value = Pod> {
    let node = prop::option::weighted(0.9, word(&NODES));
    let ports = prop::collection::vec(container_port(), 0..4);
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), any::<bool>());
    (word(&NAMESPACES), 0u8..9, labels(), node, ports, prop::collection::vec(pod_ip(), 0..3), flags).prop_map(
        |(namespace, n, labels, node, ports, ips, (host_network, finished, deleting))| Pod {
            namespace,
            name: arcstr::format!("pod{n}"),
            // A successor of the same name is another pod.
            uid: arcstr::format!("uid{n}-{deleting}"),
            labels,
            node,
            ips: if finished { Vec::new() } else { ips },
            host_network,
            finished,
            deleting,
            start: None,
            workload: Workload { kind: "Deployment".into(), name: arcstr::format!("w{n}") },
            ports,
            ..Pod::default()
        },
    )
}

fn container_port() -> impl Strategy<Value = ContainerPort> {
    let protocol = word(&["TCP", "UDP", "SCTP"]);
    let name = prop::option::weighted(0.8, word(&PORT_NAMES));
    (name, protocol, select(&PORTS[..]), prop::bool::weighted(0.2)).prop_map(
        |(name, protocol, port, sidecar)| ContainerPort { name, protocol, port, host: None, sidecar },
    )
}
