//! `ipblock-in-cluster`: addresses that pods and Services come by. Policies see a connection after DNAT, so a
//! ClusterIP matches nothing, and a pod's address is another pod's tomorrow.

use std::collections::BTreeSet;
use std::net::IpAddr;

use flow_model::inventory::Inventory;
use flow_model::policies::Peer;
use ipnet::IpNet;

use crate::audit::draft::{Draft, Drafts};
use crate::audit::lints::rules;
use crate::audit::report::RuleId;
use crate::audit::view::View;

/// The defaults of k3s, used when nothing is known.
const K3S_PODS: &str = "10.42.0.0/16";
const K3S_SERVICES: &str = "10.43.0.0/16";

/// Nodes get a slice of the cluster's pod network, by default 8 bits narrower (/16 to /24, /56 to /64).
const SLICE_BITS: u8 = 8;
/// The widest assumed pod network.
const WIDEST: (u8, u8) = (16, 48);
/// The assumed network around a ClusterIP that holds others.
const SERVICE_BITS: (u8, u8) = (16, 112);

pub(super) fn check(view: &View<'_>, out: &mut Drafts) {
    let ranges = Ranges::new(view.after);
    for proposed in view.proposed() {
        for placed in rules(&proposed.object) {
            for (index, peer) in placed.rule.peers.iter().enumerate() {
                let Peer::Block { cidr, .. } = peer else { continue };
                if let Some(why) = ranges.problem(*cidr) {
                    let message = format!("{}: ipBlock {cidr} {why}", placed.peer(index));
                    out.push(Draft::policy(
                        RuleId::IpblockInCluster,
                        &proposed.object,
                        &proposed.place,
                        message,
                    ));
                }
            }
        }
    }
}

/// Holds the ranges of the cluster's own addresses.
pub(super) struct Ranges {
    pods: Vec<IpNet>,
    pods_known: bool,
    services: Vec<IpNet>,
    services_known: bool,
    cluster_ips: BTreeSet<IpAddr>,
    /// The addresses of Services at which a DNS cache on each node may answer.
    caches: Vec<IpAddr>,
}

impl Ranges {
    pub(super) fn new(inventory: &Inventory) -> Self {
        let slices = inventory.nodes.iter().flat_map(|node| &node.pod_cidrs);
        let pods: BTreeSet<_> = slices.filter_map(|cidr| cidr.parse().ok()).map(network).collect();
        let cluster_ips: BTreeSet<_> =
            inventory.services.iter().flat_map(|service| service.cluster_ips.iter().copied()).collect();
        let nodes: Vec<_> = inventory.nodes.iter().flat_map(|node| &node.ips).collect();
        let services: BTreeSet<_> = cluster_ips.iter().map(|ip| around(*ip, &nodes)).collect();
        let or_default = |known: BTreeSet<IpNet>, default: &str| {
            if known.is_empty() { default.parse().into_iter().collect() } else { known.into_iter().collect() }
        };
        Self {
            pods_known: !pods.is_empty(),
            pods: or_default(pods, K3S_PODS),
            services_known: !services.is_empty(),
            services: or_default(services, K3S_SERVICES),
            caches: caches(inventory, &cluster_ips),
            cluster_ips,
        }
    }

    /// Is true when only Services have such addresses.
    pub(super) fn is_service(&self, cidr: IpNet) -> bool {
        self.services.iter().any(|services| services.contains(&cidr.trunc()))
    }

    /// Is true when only pods have such addresses.
    pub(super) fn is_pod(&self, cidr: IpNet) -> bool {
        self.pods.iter().any(|pods| pods.contains(&cidr.trunc()))
    }

    /// Is true when some pods have such addresses.
    pub(super) fn has_pods(&self, cidr: IpNet) -> bool {
        self.pods.iter().any(|pods| pods.contains(&cidr.trunc()) || cidr.contains(pods))
    }

    /// Is true when a DNS cache on the node may answer at such an address: nobody replaces the destination then.
    pub(super) fn has_cache(&self, cidr: IpNet) -> bool {
        self.caches.iter().any(|ip| cidr.contains(ip))
    }

    fn problem(&self, cidr: IpNet) -> Option<String> {
        if self.is_service(cidr) && !self.has_cache(cidr) {
            let what = match self.cluster_ips.contains(&cidr.addr()) && is_host(cidr) {
                true => "is the address of a Service",
                false => "is among the addresses of Services",
            };
            let assumed = assumed(self.services_known, K3S_SERVICES);
            return Some(format!("{what}{assumed}; policies see the pod behind it, so it has no effect"));
        }
        self.is_pod(cidr).then(|| {
            let assumed = assumed(self.pods_known, K3S_PODS);
            format!(
                "is among the addresses of pods{assumed}, which change; use podSelector or namespaceSelector"
            )
        })
    }
}

/// Returns the addresses at which the cache is known to listen; those of DNS Services, if its arguments aren't known.
fn caches(inventory: &Inventory, cluster_ips: &BTreeSet<IpAddr>) -> Vec<IpAddr> {
    let Some(cache) = &inventory.local_dns else { return Vec::new() };
    if !cache.ips.is_empty() {
        return cache.ips.iter().copied().filter(|ip| cluster_ips.contains(ip)).collect();
    }
    let dns = inventory.services.iter().filter(|service| service.ports.iter().any(|port| port.port == 53));
    dns.flat_map(|service| service.cluster_ips.iter().copied()).collect()
}

fn assumed(known: bool, default: &str) -> String {
    if known { String::new() } else { format!(" (taken to be {default}, the default of k3s)") }
}

/// Returns the pod network that a node's slice belongs to.
fn network(slice: IpNet) -> IpNet {
    let widest = if slice.addr().is_ipv4() { WIDEST.0 } else { WIDEST.1 };
    let bits = slice.prefix_len().saturating_sub(SLICE_BITS).max(widest).min(slice.prefix_len());
    IpNet::new(slice.addr(), bits).map_or(slice, |net| net.trunc())
}

/// Returns the assumed network of Services around an address; the address alone if a node is in that network.
fn around(ip: IpAddr, nodes: &[&IpAddr]) -> IpNet {
    let bits = if ip.is_ipv4() { SERVICE_BITS.0 } else { SERVICE_BITS.1 };
    let net = IpNet::new(ip, bits).map(|net| net.trunc());
    net.ok().filter(|net| !nodes.iter().any(|node| net.contains(*node))).unwrap_or_else(|| IpNet::from(ip))
}

fn is_host(cidr: IpNet) -> bool {
    cidr.prefix_len() == cidr.max_prefix_len()
}
