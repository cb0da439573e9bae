//! Random small clusters, and connections in them. Names, labels and addresses come from a few each, so that selectors
//! and blocks match often.
//!
//! For tests, and for fuzzing by the feature `arbitrary`.

mod policies;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::connection::{Connection, Party, Who};
use flow_model::inventory::{ContainerPort, Inventory, Labels, Namespace, Node, Pod, Workload};
use flow_model::policies::{BrokenPolicy, NetworkPolicy, Policies, Protocol, TierPolicy};
use proptest::prelude::*;
use proptest::sample::{Index, select};

pub(crate) use policies::{broken, network_policy, tier_policy};

pub(crate) const METADATA_NAME: &str = "kubernetes.io/metadata.name";
const NAMESPACES: [&str; 3] = ["red", "green", "blue"];
const NODES: [&str; 3] = ["n1", "n2", "gone"];
const KEYS: [&str; 3] = ["app", "role", "env"];
const VALUES: [&str; 2] = ["x", "y"];
const PORT_NAMES: [&str; 2] = ["http", "db"];
const PORTS: [u16; 4] = [53, 80, 443, 5432];

/// A cluster with up to 12 policies.
pub fn inventory() -> impl Strategy<Value = Inventory> {
    let pods = prop::collection::vec(pod(), 1..9);
    let namespaces = prop::collection::vec(prop::option::weighted(0.85, labels()), NAMESPACES.len());
    let nodes = prop::collection::vec(labels(), 0..3);
    (pods, namespaces, nodes, policies()).prop_map(|(pods, namespaces, nodes, policies)| {
        let mut inventory = Inventory { policies, ..Inventory::default() };
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
    })
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
    Node { name: NODES[n].into(), labels, ips: vec![ip], pod_cidrs: Vec::new() }
}

pub(crate) fn pod() -> impl Strategy<Value = Pod> {
    let node = prop::option::weighted(0.9, word(&NODES));
    let ports = prop::collection::vec(container_port(), 0..4);
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), any::<bool>());
    (word(&NAMESPACES), 0u8..9, labels(), node, ports, prop::collection::vec(pod_ip(), 0..3), flags).prop_map(
        |(namespace, n, labels, node, ports, ips, (host_network, finished, deleting))| Pod {
            namespace,
            name: arcstr::format!("pod{n}"),
            // Its successor of the same name is another pod.
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
        },
    )
}

fn container_port() -> impl Strategy<Value = ContainerPort> {
    let protocol = word(&["TCP", "UDP", "SCTP"]);
    (prop::option::weighted(0.8, word(&PORT_NAMES)), protocol, select(&PORTS[..]))
        .prop_map(|(name, protocol, port)| ContainerPort { name, protocol, port })
}

fn pod_ip() -> impl Strategy<Value = IpAddr> {
    (any::<bool>(), 0u8..2, 1u8..9).prop_map(|(v4, net, last)| match v4 {
        true => Ipv4Addr::new(10, 42, net, last).into(),
        false => Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, net.into(), last.into()).into(),
    })
}

fn outside_ip() -> impl Strategy<Value = IpAddr> {
    select(vec!["203.0.113.7", "192.168.1.1", "10.42.1.200", "2001:db8::7", "fe80::1"])
        .prop_map(|ip| ip.parse().expect("an address"))
}

/// A connection to ask about, in whatever cluster.
#[derive(Clone, Debug)]
pub struct Asked {
    src: Side,
    dst: Side,
    protocol: Protocol,
    port: u16,
}

#[derive(Clone, Debug)]
enum Side {
    /// A pod of the inventory, at one of its addresses, at another, or at none that is known.
    Pod(Index, Option<Index>, Option<IpAddr>),
    /// A pod that is gone, or not yet there.
    Stranger(Pod, Option<IpAddr>),
    Node(ArcStr, Option<IpAddr>),
    External(Option<IpAddr>),
    Unknown(Option<IpAddr>),
}

/// Any question.
pub fn asked() -> impl Strategy<Value = Asked> {
    let protocol = prop_oneof![
        6 => Just(Protocol::Tcp),
        2 => Just(Protocol::Udp),
        1 => Just(Protocol::Sctp),
    ];
    let port = prop_oneof![4 => select(&PORTS[..]), 1 => any::<u16>()];
    (side(), side(), protocol, port).prop_map(|(src, dst, protocol, port)| Asked { src, dst, protocol, port })
}

fn side() -> impl Strategy<Value = Side> {
    let ip = || prop::option::weighted(0.9, prop_oneof![pod_ip(), outside_ip()]);
    let own = prop::option::weighted(0.95, any::<Index>());
    prop_oneof![
        12 => (any::<Index>(), own, prop::option::weighted(0.5, pod_ip())).prop_map(|(n, own, ip)| Side::Pod(n, own, ip)),
        2 => (pod(), ip()).prop_map(|(pod, ip)| Side::Stranger(pod, ip)),
        2 => (word(&NODES), ip()).prop_map(|(node, ip)| Side::Node(node, ip)),
        3 => ip().prop_map(Side::External),
        1 => ip().prop_map(Side::Unknown),
    ]
}

impl Asked {
    /// The connection that it means in this cluster.
    #[must_use]
    pub fn of<'a>(&'a self, inventory: &'a Inventory) -> Connection<'a> {
        let party = |side: &'a Side| side.of(inventory);
        Connection { src: party(&self.src), dst: party(&self.dst), protocol: self.protocol, port: self.port }
    }
}

impl Side {
    fn of<'a>(&'a self, inventory: &'a Inventory) -> Party<'a> {
        let (ip, who) = match self {
            Self::Pod(n, own, ip) if !inventory.pods.is_empty() => {
                let pod = &inventory.pods[n.index(inventory.pods.len())];
                let own = own.filter(|_| !pod.ips.is_empty()).map(|at| pod.ips[at.index(pod.ips.len())]);
                (own.or(*ip), Who::Pod(pod))
            }
            Self::Pod(_, _, ip) | Self::External(ip) => (*ip, Who::External),
            Self::Stranger(pod, ip) => (*ip, Who::Pod(pod)),
            Self::Node(name, ip) => (*ip, Who::Node(name)),
            Self::Unknown(ip) => (*ip, Who::Unknown("it is not told")),
        };
        Party { ip, who }
    }
}

/// One change of a cluster.
#[derive(Clone, Debug)]
pub enum Edit {
    PutPolicy(u8, NetworkPolicy),
    RemovePolicy(Index),
    PutTiered(Index, TierPolicy),
    RemoveTiered(Index),
    PutBroken(BrokenPolicy),
    MendAll,
    PutPod(Pod),
    RemovePod(Index),
    Namespace(ArcStr, Option<Labels>),
    Node(usize, Labels),
    RemoveNode(Index),
    /// The same objects, read again.
    ReadAgain,
}

/// Any change.
pub fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (0u8..12, network_policy()).prop_map(|(n, policy)| Edit::PutPolicy(n, policy)),
        2 => any::<Index>().prop_map(Edit::RemovePolicy),
        2 => (any::<Index>(), tier_policy()).prop_map(|(n, policy)| Edit::PutTiered(n, policy)),
        1 => any::<Index>().prop_map(Edit::RemoveTiered),
        1 => broken().prop_map(Edit::PutBroken),
        1 => Just(Edit::MendAll),
        4 => pod().prop_map(Edit::PutPod),
        2 => any::<Index>().prop_map(Edit::RemovePod),
        3 => (word(&NAMESPACES), prop::option::weighted(0.8, labels())).prop_map(|(name, l)| Edit::Namespace(name, l)),
        1 => (0..NODES.len(), labels()).prop_map(|(n, labels)| Edit::Node(n, labels)),
        1 => any::<Index>().prop_map(Edit::RemoveNode),
        1 => Just(Edit::ReadAgain),
    ]
}

impl Edit {
    /// Makes the change.
    pub fn apply(&self, inventory: &mut Inventory) {
        let Inventory { policies, pods, nodes, .. } = inventory;
        match self {
            Self::PutPolicy(n, policy) => {
                put_policy(policies, NetworkPolicy { name: arcstr::format!("p{n}"), ..policy.clone() });
            }
            Self::RemovePolicy(n) => remove(&mut policies.namespaced, *n),
            Self::PutTiered(n, policy) => {
                policies.tiered.insert(n.index(policies.tiered.len() + 1), Arc::new(policy.clone()));
            }
            Self::RemoveTiered(n) => remove(&mut policies.tiered, *n),
            Self::PutBroken(policy) => policies.broken.push(Arc::new(policy.clone())),
            Self::MendAll => policies.broken.clear(),
            Self::PutPod(pod) => put_pod(inventory, pod.clone()),
            Self::RemovePod(n) => remove(pods, *n),
            Self::Namespace(name, labels) => put_namespace(inventory, name, labels.clone()),
            Self::Node(n, labels) => {
                nodes.retain(|node| node.name != NODES[*n]);
                nodes.push(Arc::new(node(*n, labels.clone())));
            }
            Self::RemoveNode(n) => remove(nodes, *n),
            Self::ReadAgain => *inventory = read_again(inventory),
        }
    }
}

fn remove<T>(from: &mut Vec<T>, n: Index) {
    if !from.is_empty() {
        from.remove(n.index(from.len()));
    }
}

/// Equal, and no allocation shared.
pub fn read_again(inventory: &Inventory) -> Inventory {
    fn each<T: Clone>(of: &[Arc<T>]) -> Vec<Arc<T>> {
        of.iter().map(|one| Arc::new(T::clone(one))).collect()
    }
    let Policies { namespaced, tiered, broken } = &inventory.policies;
    Inventory {
        pods: each(&inventory.pods),
        namespaces: each(&inventory.namespaces),
        nodes: each(&inventory.nodes),
        policies: Policies { namespaced: each(namespaced), tiered: each(tiered), broken: each(broken) },
        ..inventory.clone()
    }
}
