//! Addresses that pods have or may have.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::core::inventory::Inventory;

/// The pods' networks: those that nodes name, and the surroundings of every known pod where none does.
#[derive(Debug, Default)]
pub(crate) struct PodNetworks {
    cidrs: Vec<IpNet>,
    /// A node's pods share a /24 or a /64 in every default that we know of.
    around: HashSet<IpNet>,
}

impl PodNetworks {
    pub(crate) fn new(inventory: &Inventory) -> Self {
        let cidrs = inventory.nodes.iter().flat_map(|node| &node.pod_cidrs);
        let pods = inventory.pods.iter().filter(|pod| !pod.host_network);
        Self {
            cidrs: cidrs.filter_map(|cidr| cidr.parse::<IpNet>().ok()).map(|net| net.trunc()).collect(),
            around: pods.flat_map(|pod| &pod.ips).filter_map(|ip| around(*ip)).collect(),
        }
    }

    /// Whether a pod may have the address.
    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.cidrs.iter().any(|cidr| cidr.contains(&ip))
            || around(ip).is_some_and(|around| self.around.contains(&around))
    }
}

fn around(ip: IpAddr) -> Option<IpNet> {
    let ip = ip.to_canonical();
    let bits = if ip.is_ipv4() { 24 } else { 64 };
    IpNet::new(ip, bits).ok().map(|net| net.trunc())
}
