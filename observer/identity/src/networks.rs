//! Addresses that pods have or may have.

use std::collections::HashSet;
use std::net::IpAddr;

use flow_model::inventory::Inventory;
use ipnet::IpNet;

/// Holds the pods' networks: those that nodes name, and the neighbourhood of every pod that is in none of them. They
/// are looked up by prefix length, of which a cluster has few.
#[derive(Clone, Debug, Default)]
pub(super) struct PodNetworks {
    lengths: HashSet<(bool, u8)>,
    networks: HashSet<IpNet>,
}

impl PodNetworks {
    /// Collects the networks of a snapshot.
    pub(super) fn new(inventory: &Inventory) -> Self {
        let mut networks = Self::default();
        let cidrs = inventory.nodes.iter().flat_map(|node| &node.pod_cidrs);
        cidrs.filter_map(|cidr| cidr.parse().ok()).for_each(|cidr| networks.add(cidr));
        let pods = inventory.pods.iter().filter(|pod| !pod.host_network && !pod.finished);
        for ip in pods.flat_map(|pod| &pod.ips).map(IpAddr::to_canonical) {
            if !networks.contain(ip) {
                networks.add(neighbourhood(ip));
            }
        }
        networks
    }

    /// Is true when a pod may have the address.
    pub(super) fn contain(&self, ip: IpAddr) -> bool {
        self.lengths.iter().filter(|(v4, _)| *v4 == ip.is_ipv4()).any(|(_, length)| {
            IpNet::new(ip, *length).is_ok_and(|network| self.networks.contains(&network.trunc()))
        })
    }

    fn add(&mut self, network: IpNet) {
        let network = network.trunc();
        self.lengths.insert((network.addr().is_ipv4(), network.prefix_len()));
        self.networks.insert(network);
    }
}

/// Returns the network to which an address is taken to belong if no node names one: a node's pods share a /24 or a /64
/// by every default that we know of.
fn neighbourhood(ip: IpAddr) -> IpNet {
    IpNet::new(ip, if ip.is_ipv4() { 24 } else { 64 }).map_or(IpNet::from(ip), |network| network.trunc())
}
