//! Addresses of nodes, and the pods that listen on them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Node, Pod};
use flow_model::network::Route;
use ipnet::IpNet;

/// Most addresses of nodes tried in place of a client's. Further nodes are taken to be like the first ones: policies
/// name networks of nodes, not single ones.
const MASQUERADES: usize = 64;

/// A pod, and the place of one of its container ports.
type PodPort = (Arc<Pod>, usize);

/// Holds the node addresses of the newest snapshot. Nodes keep theirs, so no time is needed.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    by_ip: HashMap<IpAddr, ArcStr>,
    /// The pods in nodes' networks by their ports; `None` where two pods declare the same.
    listeners: HashMap<(IpAddr, u16), Option<Arc<Pod>>>,
    /// The pods in nodes' networks by their UIDs.
    host_pods: HashMap<ArcStr, Arc<Pod>>,
    /// The addresses under which traffic that nodes masquerade arrives, with the nodes' names.
    masquerades: Vec<(ArcStr, IpAddr)>,
    /// The same by node, of all nodes.
    toward_pods: HashMap<ArcStr, Vec<(ArcStr, IpAddr)>>,
    /// The nodes' own addresses, outside the pod networks.
    own: HashMap<ArcStr, Vec<(ArcStr, IpAddr)>>,
    /// The pods behind ports of nodes, by node and port.
    host_ports: HashMap<(ArcStr, u16), Vec<PodPort>>,
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
        // The node's own status goes before what is concluded.
        for node in &inventory.nodes {
            nodes.by_ip.extend(node.ips.iter().map(|ip| (ip.to_canonical(), node.name.clone())));
        }
        let of_node: HashMap<_, _> = inventory.nodes.iter().map(|node| (&node.name, node)).collect();
        for pod in host_pods().filter(|pod| !pod.finished) {
            let node = pod.node.as_ref().and_then(|name| of_node.get(name));
            nodes.listen(pod, node.map(|node| &***node));
            nodes.host_pods.insert(pod.uid.clone(), Arc::clone(pod));
        }
        nodes.add_host_ips(inventory);
        for node in &inventory.nodes {
            let named = |ip: IpAddr| (node.name.clone(), ip.to_canonical());
            nodes.own.insert(node.name.clone(), node.ips.iter().copied().map(named).collect());
            nodes.toward_pods.insert(node.name.clone(), toward_pods(node).map(named).collect());
        }
        let of_nodes = inventory.nodes.iter().filter_map(|node| nodes.toward_pods.get(&node.name));
        nodes.masquerades = of_nodes.flatten().take(MASQUERADES).cloned().collect();
        nodes
    }

    /// Is true when no node's address is known.
    pub(super) fn is_empty(&self) -> bool {
        self.by_ip.is_empty()
    }

    /// Returns the node that the address belongs to.
    pub(super) fn node(&self, ip: IpAddr) -> Option<&ArcStr> {
        self.by_ip.get(&ip)
    }

    /// Returns the only pod in the node's network that declares the port.
    pub(super) fn listener(&self, ip: IpAddr, port: u16) -> Option<&Arc<Pod>> {
        self.listeners.get(&(ip, port))?.as_ref()
    }

    /// Returns the pod of this UID that is in the network of that node.
    pub(super) fn host_pod(&self, uid: &str, node: &str) -> Option<&Arc<Pod>> {
        self.host_pods.get(uid).filter(|pod| pod.node.as_deref() == Some(node))
    }

    /// Returns the addresses under which traffic that nodes masquerade arrives, with the nodes' names.
    pub(super) fn masquerades(&self) -> &[(ArcStr, IpAddr)] {
        &self.masquerades
    }

    /// Returns the addresses under which packets of the node may arrive at pods of other nodes.
    pub(super) fn toward_pods(&self, node: &ArcStr) -> &[(ArcStr, IpAddr)] {
        self.toward_pods.get(node).or_else(|| self.own.get(node)).map_or(&[], Vec::as_slice)
    }

    /// Is true for a node whose object is known.
    pub(super) fn has_object(&self, node: &ArcStr) -> bool {
        self.toward_pods.contains_key(node)
    }

    /// Returns the node's own addresses, outside the pod networks.
    pub(super) fn own(&self, node: &ArcStr) -> &[(ArcStr, IpAddr)] {
        self.own.get(node).map_or(&[], Vec::as_slice)
    }

    /// Is true for one of the node's own addresses.
    pub(super) fn is_own(&self, node: &ArcStr, ip: IpAddr) -> bool {
        self.own(node).iter().any(|(_, own)| *own == ip)
    }

    /// Returns the pods behind a port of the node, each with the place of its container port.
    pub(super) fn host_ports(&self, node: &ArcStr, port: u16) -> impl Iterator<Item = (&Arc<Pod>, usize)> {
        let found = self.host_ports.get(&(node.clone(), port)).into_iter().flatten();
        found.map(|(pod, at)| (pod, *at))
    }

    /// Adds what pods show of their nodes: addresses of those that are not known otherwise, and ports that lead to pods.
    fn add_host_ips(&mut self, inventory: &Inventory) {
        for pod in &inventory.pods {
            let Some(node) = &pod.node else { continue };
            let own = if pod.host_network { &pod.ips[..] } else { &[] };
            for ip in pod.host_ips.iter().chain(own).map(IpAddr::to_canonical) {
                self.by_ip.entry(ip).or_insert_with(|| node.clone());
                let own = self.own.entry(node.clone()).or_default();
                if !own.iter().any(|(_, other)| *other == ip) {
                    own.push((node.clone(), ip));
                }
            }
            if !pod.host_network && !pod.finished {
                for (at, host) in pod.ports.iter().enumerate().filter_map(|(at, p)| Some((at, p.host?))) {
                    self.host_ports.entry((node.clone(), host.port)).or_default().push((Arc::clone(pod), at));
                }
            }
        }
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

/// Returns the addresses with which a node sends to pods of other nodes: that of flannel's tunnel, which is the first of
/// the pod network, or the node's own. Where the way is not known, it may be any of them.
fn toward_pods(node: &Node) -> impl Iterator<Item = IpAddr> {
    let tunnel = node.pod_cidrs.iter().filter_map(|cidr| own_addresses(cidr)).map(|[first, _]| first);
    let tunnel: Vec<_> = tunnel.filter(|_| node.route != Route::Direct).collect();
    let own = node.ips.iter().copied().filter(|_| node.route != Route::Tunnel || tunnel.is_empty());
    own.collect::<Vec<_>>().into_iter().chain(tunnel)
}

/// Returns a node's own addresses in the pod networks that it hands out.
fn bridges(node: &Node) -> impl Iterator<Item = IpAddr> {
    node.pod_cidrs.iter().filter_map(|cidr| own_addresses(cidr)).flatten()
}

/// Returns the addresses in its pod network that a node takes for itself by the convention of flannel and of the bridge
/// plugin: the first two, for the overlay device and the bridge. The node's own traffic to pods, such as the kubelet's
/// probes, comes from there.
fn own_addresses(cidr: &str) -> Option<[IpAddr; 2]> {
    match cidr.parse().ok()? {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            let first = net.network().to_bits();
            Some([first, first + 1].map(|bits| Ipv4Addr::from_bits(bits).into()))
        }
        IpNet::V6(net) if net.prefix_len() < 127 => {
            let first = net.network().to_bits();
            Some([first, first + 1].map(|bits| Ipv6Addr::from_bits(bits).into()))
        }
        _ => None,
    }
}
