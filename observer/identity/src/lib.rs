//! Names for addresses, at the time that a packet was seen.
//!
//! Pods come and go and their addresses are used again, so "which pod is 10.42.0.9" has an answer only
//! together with a time. [`Identity`] is told each inventory, remembers who held which address when, and
//! forgets five minutes after nobody does.

mod networks;
mod nodes;
mod services;
mod tenures;
mod workloads;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::connection::{Party, Who};
use flow_model::inventory::{Inventory, Pod, Service, ServicePort};
use flow_model::object_ref::ObjectRef;
use flow_model::record::Endpoint;
use jiff::{SignedDuration, Timestamp};

use networks::PodNetworks;
use nodes::Nodes;
use services::{Front, Services};
use tenures::Tenures;
use workloads::Workloads;

pub use nodes::masquerades;

/// How long a pod or a Service that is gone still gives its name to its address, unless somebody else took it.
pub const RETENTION: SignedDuration = SignedDuration::from_mins(5);

// Why it is not known who is behind an address.
const STRANGE: &str = "no known pod has this address, though it is a pod network's";
const SERVICE: &str = "it is a Service's address, and the backend is not known";
const NOTHING: &str = "no pods and no nodes are known";

/// Who is behind an address, and when. One writer: the engine.
#[derive(Debug, Default)]
pub struct Identity {
    inventory: Arc<Inventory>,
    tenures: Tenures,
    services: Services,
    nodes: Nodes,
    networks: PodNetworks,
    workloads: Workloads,
}

impl Identity {
    /// Knows nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a new picture of the cluster, as it is `now`.
    pub fn apply(&mut self, inventory: Arc<Inventory>, now: Timestamp) {
        self.tenures.apply(&inventory.pods, now);
        self.nodes = Nodes::new(&inventory);
        self.networks = PodNetworks::new(&inventory);
        self.services.apply(&inventory, &self.tenures, now);
        self.workloads.apply(&inventory);
        self.inventory = inventory;
    }

    /// The picture applied last.
    #[must_use]
    pub fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }

    /// Names the side that opened a connection. A pod in the node's own network can't be told from the node,
    /// so such an address gets the node's name only.
    #[must_use]
    pub fn endpoint(&self, ip: IpAddr, port: u16, at: Timestamp) -> Endpoint {
        let mut endpoint = Endpoint::bare(ip, port);
        let ip = ip.to_canonical();
        match self.tenures.owner(ip, at) {
            Some(pod) => name_pod(&mut endpoint, pod),
            None => endpoint.node = self.nodes.node(ip).cloned(),
        }
        endpoint
    }

    /// Names the side that a connection was opened to: the Service that `dst:dport` belongs to, and the pod
    /// at `backend`, else at `dst` itself. Where only the Service is known, its namespace, and its workload if
    /// all its backends are of one.
    #[must_use]
    pub fn server(&self, dst: IpAddr, dport: u16, backend: Option<(IpAddr, u16)>, at: Timestamp) -> Endpoint {
        let mut endpoint = Endpoint::bare(dst, dport);
        let dst = dst.to_canonical();
        let front = self.front(dst, dport, at);
        endpoint.service = front.map(|front| front.name.clone());
        let (ip, port) = backend.map_or((dst, dport), |(ip, port)| (ip.to_canonical(), port));
        endpoint.backend_ip = Some(ip).filter(|ip| *ip != dst);
        endpoint.backend_port = Some(port).filter(|port| *port != dport);
        let listener = || self.nodes.listener(ip, port).filter(|_| front.is_none() || backend.is_some());
        let pod = self.tenures.owner(ip, at);
        if pod.is_none() {
            endpoint.node = self.nodes.node(ip).cloned();
        }
        match (pod.or_else(listener), front) {
            (Some(pod), _) => name_pod(&mut endpoint, pod),
            (None, Some(front)) => name_service(&mut endpoint, front),
            (None, None) => {}
        }
        endpoint
    }

    /// The VIP through which a server was addressed. A node's address is a VIP (k3s' load balancer) on the ports of its
    /// Service only.
    #[must_use]
    pub fn vip(&self, dst: IpAddr, dport: u16, at: Timestamp) -> Option<IpAddr> {
        let dst = dst.to_canonical();
        let of_service = || self.front(dst, dport, at).is_some_and(|front| front.has_vip(dst));
        let is_vip = self.services.is_vip(dst) && (self.nodes.node(dst).is_none() || of_service());
        is_vip.then_some(dst)
    }

    /// The pod that held an address of its own at that time.
    #[must_use]
    pub fn pod(&self, ip: IpAddr, at: Timestamp) -> Option<&Arc<Pod>> {
        self.tenures.owner(ip.to_canonical(), at)
    }

    /// Who was behind the address, as policies see it.
    #[must_use]
    pub fn party(&self, ip: IpAddr, at: Timestamp) -> Party<'_> {
        let address = ip.to_canonical();
        let who = match (self.tenures.owner(address, at), self.nodes.node(address)) {
            (Some(pod), _) => Who::Pod(pod),
            (None, Some(node)) => Who::Node(node),
            (None, None) if self.services.have(address, at) => Who::Unknown(SERVICE),
            (None, None) if self.networks.contain(address) => Who::Unknown(STRANGE),
            (None, None) if self.is_empty() && self.nodes.is_empty() => Who::Unknown(NOTHING),
            (None, None) => Who::External,
        };
        Party { ip: Some(address), who }
    }

    /// Whether the address is a pod network's, and no pod is known that has it.
    #[must_use]
    pub fn is_stranger(&self, ip: IpAddr, at: Timestamp) -> bool {
        matches!(self.party(ip, at).who, Who::Unknown(STRANGE))
    }

    /// The Service whose port this is, and that port.
    #[must_use]
    pub fn service_port(&self, dst: IpAddr, dport: u16, at: Timestamp) -> Option<(&Service, &ServicePort)> {
        let dst = dst.to_canonical();
        let service = &*self.front(dst, dport, at)?.service;
        let is_node = self.nodes.node(dst).is_some();
        let addressed = |port: &&ServicePort| {
            port.protocol == "TCP" && (port.port == dport || (is_node && port.node_port == Some(dport)))
        };
        Some((service, service.ports.iter().find(addressed)?))
    }

    /// Whether the address belonged to a pod of this node; `None` where that isn't known.
    #[must_use]
    pub fn is_local_pod(&self, ip: IpAddr, node: &str, at: Timestamp) -> Option<bool> {
        self.pod(ip, at)?.node.as_ref().map(|name| name == node)
    }

    /// Forgets who is gone for longer than [`RETENTION`].
    pub fn prune(&mut self, now: Timestamp) {
        if self.tenures.prune(now) | self.services.prune(now) {
            self.workloads.changed();
        }
    }

    /// Prunes, and tells which workloads (namespace, name) have since lost their last pod, present or
    /// remembered, and can't come up in a name any more. Each is told once, until it has a pod again.
    pub fn departed(&mut self, now: Timestamp) -> Vec<ObjectRef> {
        self.prune(now);
        let pods = self.inventory.pods.iter().filter(|pod| !pod.finished).chain(self.tenures.pods());
        let pods = pods.map(|pod| (&pod.namespace, &pod.workload.name));
        self.workloads.departed(pods.chain(self.services.workloads()))
    }

    /// Whether a workload has a pod, present or remembered.
    #[must_use]
    pub fn knows_workload(&self, namespace: &str, workload: &str) -> bool {
        self.workloads.contains(namespace, workload)
    }

    /// How many (address, pod) pairs are held or remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tenures.len()
    }

    /// Whether no pod's address is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A port of a node may be a Service's too; other ports of a node are not, whatever Services list its address.
    fn front(&self, ip: IpAddr, port: u16, at: Timestamp) -> Option<&Front> {
        let is_node = self.nodes.node(ip).is_some();
        let by_node_port = || self.services.node_port(port, at).filter(|_| is_node);
        let by_address = || self.services.address(ip, at).filter(|_| !is_node);
        self.services.port(ip, port, at).or_else(by_node_port).or_else(by_address)
    }
}

fn name_pod(endpoint: &mut Endpoint, pod: &Pod) {
    endpoint.namespace = Some(pod.namespace.clone());
    endpoint.pod = Some(pod.name.clone());
    endpoint.workload = Some(pod.workload.name.clone());
    endpoint.workload_kind = Some(pod.workload.kind.clone());
}

fn name_service(endpoint: &mut Endpoint, front: &Front) {
    endpoint.namespace = Some(front.service.namespace.clone());
    if let Some(workload) = &front.workload {
        endpoint.workload = Some(workload.name.clone());
        endpoint.workload_kind = Some(workload.kind.clone());
    }
}
