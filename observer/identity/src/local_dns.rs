//! The DNS cache on nodes. In iptables mode it listens on the address of the cluster's DNS Service, so that nobody
//! replaces the destination there.

use std::net::IpAddr;

use flow_model::inventory::Service;
use jiff::Timestamp;

use crate::behind::Behind;
use crate::identity::Identity;

const PORT: u16 = 53;

/// An answer to DNS by a cache on the client's own node.
#[derive(Clone, Copy, Debug)]
pub struct LocalAnswer {
    /// The address of the Service on which the cache listens.
    pub ip: IpAddr,
    /// Is false where the addresses of the cache are not known, so that the Service may answer, too.
    pub certain: bool,
}

impl Identity {
    /// Is true where a DNS cache on the client's own node listens at this address and port, or may listen.
    pub(super) fn may_answer_locally(&self, ip: IpAddr, port: u16, at: Timestamp) -> bool {
        let Some(cache) = self.inventory().local_dns.as_ref().filter(|_| port == PORT) else { return false };
        let listens = || cache.ips.iter().any(|own| own.to_canonical() == ip);
        let may_listen = || self.services_at(ip, at).any(|known| is_dns(known.service()));
        if cache.ips.is_empty() { may_listen() } else { listens() }
    }
}

impl Behind<'_> {
    /// Returns the answer of a DNS cache on the client's own node, where there may be one at the Service's address.
    #[must_use]
    pub fn local_answer(&self) -> Option<LocalAnswer> {
        let cache = self.identity().inventory().local_dns.as_ref()?;
        if self.port().port != PORT || !self.is_inside() {
            return None;
        }
        let own = &self.service().cluster_ips;
        if cache.ips.is_empty() {
            let ip = *own.first().filter(|_| is_dns(self.service()))?;
            return Some(LocalAnswer { ip, certain: false });
        }
        let ip = *own.iter().find(|ip| cache.ips.contains(ip))?;
        Some(LocalAnswer { ip, certain: true })
    }
}

/// Is true for the Service of the cluster's DNS.
fn is_dns(service: &Service) -> bool {
    service.labels.get("k8s-app").is_some_and(|app| app == "kube-dns")
        || service.namespace == "kube-system" && service.name.contains("dns")
}
