//! Who is behind an address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;

use super::super::{Party, Who};
use crate::core::identity::{NOTHING, PodNetworks, SERVICE, STRANGE, own_addresses};
use crate::core::inventory::{Inventory, Pod};

/// Every address of one inventory. A look-up takes a few hashes, whatever the cluster's size.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    inventory: Arc<Inventory>,
    owners: HashMap<IpAddr, Owner>,
    pod_networks: PodNetworks,
}

#[derive(Clone, Debug)]
enum Owner {
    /// Index in [`Inventory::pods`].
    Pod(usize),
    Node(ArcStr),
    Service,
}

impl Addresses {
    /// Indexes an inventory.
    #[must_use]
    pub fn new(inventory: Arc<Inventory>) -> Self {
        let pod_networks = PodNetworks::new(&inventory);
        let mut addresses = Self { inventory: Arc::clone(&inventory), owners: HashMap::new(), pod_networks };
        addresses.add_services(&inventory);
        addresses.add_nodes(&inventory);
        addresses.add_pods(&inventory);
        addresses
    }

    /// The party at an address. IPv4 in IPv6 clothes counts as IPv4.
    #[must_use]
    pub fn party(&self, ip: IpAddr) -> Party<'_> {
        let ip = ip.to_canonical();
        Party { ip: Some(ip), who: self.who(ip) }
    }

    fn who(&self, ip: IpAddr) -> Who<'_> {
        match self.owners.get(&ip) {
            Some(Owner::Pod(n)) => {
                self.inventory.pods.get(*n).map_or(Who::Unknown(STRANGE), |pod| Who::Pod(pod))
            }
            Some(Owner::Node(node)) => Who::Node(node),
            Some(Owner::Service) => Who::Unknown(SERVICE),
            None if self.pod_networks.contain(ip) => Who::Unknown(STRANGE),
            None if self.owners.is_empty() => Who::Unknown(NOTHING),
            None => Who::External,
        }
    }

    fn add_services(&mut self, inventory: &Inventory) {
        for service in &inventory.services {
            let ips = service.cluster_ips.iter().chain(&service.external_ips);
            self.owners.extend(ips.map(|ip| (ip.to_canonical(), Owner::Service)));
        }
    }

    /// What a node says of itself goes before what is concluded, and both before a Service: small load balancers
    /// hand out the nodes' own addresses.
    fn add_nodes(&mut self, inventory: &Inventory) {
        for node in &inventory.nodes {
            let owner = || Owner::Node(node.name.clone());
            self.owners.extend(bridges(&node.pod_cidrs).map(|ip| (ip, owner())));
        }
        for pod in inventory.pods.iter().filter(|pod| pod.host_network && !pod.finished) {
            let Some(node) = &pod.node else { continue };
            self.owners.extend(pod.ips.iter().map(|ip| (ip.to_canonical(), Owner::Node(node.clone()))));
        }
        for node in &inventory.nodes {
            self.owners.extend(node.ips.iter().map(|ip| (ip.to_canonical(), Owner::Node(node.name.clone()))));
        }
    }

    fn add_pods(&mut self, inventory: &Inventory) {
        let mut pods: Vec<_> =
            inventory.pods.iter().enumerate().filter(|(_, pod)| owns_addresses(pod)).collect();
        // An address may be on its way from a pod that is being deleted to one that starts.
        pods.sort_by_key(|(_, pod)| (!pod.deleting, pod.start));
        for (n, pod) in pods {
            for ip in pod.ips.iter().map(IpAddr::to_canonical) {
                self.owners.insert(ip, Owner::Pod(n));
            }
        }
    }
}

/// A node's own addresses in the pod networks it hands out; traffic that it masquerades comes from there.
pub(super) fn bridges(pod_cidrs: &[ArcStr]) -> impl Iterator<Item = IpAddr> {
    pod_cidrs.iter().filter_map(|cidr| own_addresses(cidr)).flatten()
}

fn owns_addresses(pod: &Pod) -> bool {
    !pod.finished && !pod.host_network
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::testing::{cluster, node, pod, service};
    use super::*;

    fn say(addresses: &Addresses, ip: &str) -> String {
        match addresses.party(ip.parse().unwrap()).who {
            Who::Pod(pod) => format!("pod {}/{}", pod.namespace, pod.name),
            Who::Node(node) => format!("node {node}"),
            Who::External => "external".to_owned(),
            Who::Unknown(why) => why.to_owned(),
        }
    }

    fn addresses() -> Addresses {
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
        Addresses::new(cluster(pods, [balanced], [n1]).inventory())
    }

    #[rstest]
    #[case::of_two_the_one_that_stays("10.42.0.9", "pod web/new")]
    #[case::v6("fd42::9", "pod web/new")]
    #[case::mapped("::ffff:10.42.0.9", "pod web/new")]
    #[case::finished_pods_own_none("10.42.0.11", STRANGE)]
    #[case::host_network_is_the_node("192.168.1.3", "node n3")]
    #[case::before_a_service_at_the_same_address("192.168.1.1", "node n1")]
    #[case::flannel_and_bridge("10.42.0.0", "node n1")]
    #[case::flannel_and_bridge("10.42.0.1", "node n1")]
    #[case::in_the_pod_network("10.42.0.77", STRANGE)]
    #[case::past_the_pod_network("10.42.0.130", "external")]
    #[case::near_a_pod_of_no_known_network("172.16.5.200", STRANGE)]
    #[case::not_near("172.16.6.5", "external")]
    #[case::near_v6("fd00:5::ffff", STRANGE)]
    #[case::in_v6("fd42::ffff", STRANGE)]
    #[case::past_v6("fd42::1:0", "external")]
    #[case::cluster_ip("10.43.0.1", SERVICE)]
    #[case::balancer("192.168.1.99", SERVICE)]
    #[case::outside("8.8.8.8", "external")]
    fn owners(#[case] ip: &str, #[case] who: &str) {
        assert_eq!(say(&addresses(), ip), who);
    }

    #[test]
    fn nothing_known_is_no_outside() {
        let nobody = Addresses::new(Arc::default());
        assert_eq!(say(&nobody, "8.8.8.8"), NOTHING);
    }
}
