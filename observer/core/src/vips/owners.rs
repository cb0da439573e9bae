//! The nodes that have an Ethernet address or an IP address.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Node;
use flow_model::mac::Mac;

use crate::vips::host::Host;

/// Addresses remembered per node: a host that forges answers for a node's address must not fill the memory.
const MACS_PER_NODE: usize = 8;
/// Neighbours and own interfaces looked at.
const MAX_NEIGHBOURS: usize = 16_384;

/// Remembers which addresses the nodes have. An Ethernet address stays when its neighbour entry ages out.
#[derive(Debug)]
pub(super) struct Owners {
    node: ArcStr,
    /// The Ethernet addresses of this node's interfaces.
    own: BTreeSet<Mac>,
    nodes: BTreeSet<ArcStr>,
    by_ip: BTreeMap<IpAddr, ArcStr>,
    by_mac: BTreeMap<Mac, ArcStr>,
    /// Oldest first.
    by_node: BTreeMap<ArcStr, VecDeque<Mac>>,
    /// The newest neighbour table: nodes may become known after their neighbours.
    neighbours: Vec<(IpAddr, Mac)>,
}

impl Owners {
    pub(super) fn new(node: ArcStr) -> Self {
        Self {
            node,
            own: BTreeSet::new(),
            nodes: BTreeSet::new(),
            by_ip: BTreeMap::new(),
            by_mac: BTreeMap::new(),
            by_node: BTreeMap::new(),
            neighbours: Vec::new(),
        }
    }

    pub(super) fn set_nodes(&mut self, nodes: &[Arc<Node>]) {
        self.nodes = nodes.iter().map(|node| node.name.clone()).collect();
        self.by_ip =
            nodes.iter().flat_map(|node| node.ips.iter().map(|ip| (*ip, node.name.clone()))).collect();
        let known = &self.nodes;
        self.by_node.retain(|name, _| known.contains(name));
        self.by_mac.retain(|_, name| known.contains(name));
        self.learn();
    }

    pub(super) fn set_neighbours(&mut self, neighbours: &[(IpAddr, Mac)], own: &[Mac]) {
        self.own = own.iter().copied().filter(|mac| mac.is_host()).take(MAX_NEIGHBOURS).collect();
        self.neighbours = neighbours.iter().take(MAX_NEIGHBOURS).copied().collect();
        self.learn();
    }

    /// Takes a frame in which a host claims an address. If it is a Node's, that has this Ethernet address, unless another is
    /// known to have it: a host may answer for its neighbours. Returns `None` for addresses of no Node, else whether this is
    /// news.
    pub(super) fn heard(&mut self, ip: IpAddr, mac: Mac) -> Option<bool> {
        let node = self.by_ip.get(&ip).cloned()?;
        let is_news = self.of_mac(mac).is_none();
        if is_news {
            self.remember(mac, node);
        }
        Some(is_news)
    }

    /// Is true for an address of this machine, also for one that is not its Node's.
    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        self.neighbours.iter().any(|(known, mac)| *known == ip && self.own.contains(mac))
    }

    /// Returns the Ethernet address of this node's interface that has the node's own address.
    pub(super) fn own_mac(&self) -> Option<Mac> {
        let is_own =
            |(ip, mac): &&(IpAddr, Mac)| self.of_ip(*ip) == Some(&self.node) && self.own.contains(mac);
        self.neighbours.iter().find(is_own).map(|(_, mac)| *mac)
    }

    /// Returns the node that has this Ethernet address.
    pub(super) fn of_mac(&self, mac: Mac) -> Option<&ArcStr> {
        if self.own.contains(&mac) { Some(&self.node) } else { self.by_mac.get(&mac) }
    }

    /// Returns the node whose own address this is.
    pub(super) fn of_ip(&self, ip: IpAddr) -> Option<&ArcStr> {
        self.by_ip.get(&ip)
    }

    /// Returns the node's name. Announcers give the name itself or an address of the node.
    pub(super) fn named(&self, given: &ArcStr) -> ArcStr {
        let of_ip = given.parse().ok().and_then(|ip| self.of_ip(ip));
        of_ip.unwrap_or(given).clone()
    }

    pub(super) fn is_node(&self, name: &ArcStr) -> bool {
        self.nodes.contains(name) || *name == self.node
    }

    /// Returns the host that has this Ethernet address.
    pub(super) fn host(&self, mac: Mac) -> Host {
        self.of_mac(mac).cloned().map_or(Host::Unnamed(mac), Host::Named)
    }

    fn learn(&mut self) {
        for (ip, mac) in std::mem::take(&mut self.neighbours) {
            if mac.is_host()
                && let Some(node) = self.by_ip.get(&ip).cloned()
            {
                self.remember(mac, node);
            }
            self.neighbours.push((ip, mac));
        }
    }

    fn remember(&mut self, mac: Mac, node: ArcStr) {
        let before = self.by_mac.insert(mac, node.clone());
        if before.as_ref() == Some(&node) {
            return;
        }
        if let Some(macs) = before.and_then(|before| self.by_node.get_mut(&before)) {
            macs.retain(|known| *known != mac);
        }
        let macs = self.by_node.entry(node).or_default();
        macs.push_back(mac);
        if macs.len() > MACS_PER_NODE
            && let Some(oldest) = macs.pop_front()
        {
            self.by_mac.remove(&oldest);
        }
    }
}
