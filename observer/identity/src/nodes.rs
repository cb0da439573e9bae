//! Addresses of nodes, and the pods that listen on them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Node, Pod};

/// Addresses of nodes tried in place of a client's.
const MASQUERADES: usize = 64;

/// Node addresses of the newest picture. Nodes keep theirs, so no time is needed.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    by_ip: HashMap<IpAddr, ArcStr>,
    /// Ports of pods in a node's network; `None` where two pods name the same.
    listeners: HashMap<(IpAddr, u16), Option<Arc<Pod>>>,
}

impl Nodes {
    pub(super) fn new(inventory: &Inventory) -> Self {
        let mut nodes = Self::default();
        for node in &inventory.nodes {
            nodes.by_ip.extend(bridges(node).map(|ip| (ip, node.name.clone())));
        }
        let host_pods = || inventory.pods.iter().filter(|pod| pod.host_network);
        for pod in host_pods() {
            let ips = pod.ips.iter().map(IpAddr::to_canonical);
            nodes.by_ip.extend(ips.filter_map(|ip| Some((ip, pod.node.clone()?))));
        }
        // What the node says of itself goes before what is concluded.
        for node in &inventory.nodes {
            nodes.by_ip.extend(node.ips.iter().map(|ip| (ip.to_canonical(), node.name.clone())));
        }
        let of_node: HashMap<_, _> = inventory.nodes.iter().map(|node| (&node.name, node)).collect();
        for pod in host_pods().filter(|pod| !pod.finished) {
            let node = pod.node.as_ref().and_then(|name| of_node.get(name));
            nodes.listen(pod, node.map(|node| &***node));
        }
        nodes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_ip.is_empty()
    }

    /// The node that the address belongs to.
    pub(super) fn node(&self, ip: IpAddr) -> Option<&ArcStr> {
        self.by_ip.get(&ip)
    }

    /// The only pod in the node's network that declares the port.
    pub(super) fn listener(&self, ip: IpAddr, port: u16) -> Option<&Arc<Pod>> {
        self.listeners.get(&(ip, port))?.as_ref()
    }

    /// A pod in the node's network listens on all the node's addresses, not only on those in its status.
    fn listen(&mut self, pod: &Arc<Pod>, node: Option<&Node>) {
        let ips = pod.ips.iter().chain(node.iter().flat_map(|node| &node.ips)).map(IpAddr::to_canonical);
        for ip in ips {
            for port in &pod.ports {
                let listener = self.listeners.entry((ip, port.port)).or_insert_with(|| Some(Arc::clone(pod)));
                if listener.as_ref().is_some_and(|other| !Arc::ptr_eq(other, pod)) {
                    *listener = None;
                }
            }
        }
    }
}

/// Where traffic that nodes masquerade comes from: their addresses, with their names. Past [`MASQUERADES`] nodes are
/// taken to be like those before them: policies name networks of nodes, not single ones.
pub fn masquerades(inventory: &Inventory) -> impl Iterator<Item = (&ArcStr, IpAddr)> {
    let of = |node: &Arc<Node>| node.ips.iter().copied().chain(bridges(node)).collect::<Vec<_>>();
    let nodes = inventory.nodes.iter();
    let all = nodes.flat_map(move |node| of(node).into_iter().map(|ip| (&node.name, ip.to_canonical())));
    all.take(MASQUERADES)
}

/// A node's own addresses in the pod networks it hands out.
fn bridges(node: &Node) -> impl Iterator<Item = IpAddr> {
    node.pod_cidrs.iter().filter_map(|cidr| own_addresses(cidr)).flatten()
}

/// The addresses in its pod network that a node takes for itself by the convention of flannel and of the
/// bridge plugin: the first two, for the overlay device and the bridge. The node's own traffic to pods, such as
/// the kubelet's probes, comes from there.
fn own_addresses(cidr: &str) -> Option<[IpAddr; 2]> {
    let (ip, bits) = cidr.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    match ip.parse().ok()? {
        IpAddr::V4(ip) if bits < 31 => {
            let network = ip.to_bits() & u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            Some([network, network + 1].map(|bits| Ipv4Addr::from_bits(bits).into()))
        }
        IpAddr::V6(ip) if bits < 127 => {
            let network = ip.to_bits() & u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            Some([network, network + 1].map(|bits| Ipv6Addr::from_bits(bits).into()))
        }
        _ => None,
    }
}
