//! Finds who is behind an address, and when.

use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::connection::{Party, Who};
use flow_model::inventory::{Inventory, Pod, ServicePort};
use flow_model::object_ref::ObjectRef;
use jiff::Timestamp;

use crate::attached::Attached;
use crate::known_service::KnownService;
use crate::networks::PodNetworks;
use crate::nodes::Nodes;
use crate::services::Services;
use crate::tenures::Tenures;
use crate::workloads::Workloads;

/// Remembers who was behind which address. It has one writer: the engine.
#[derive(Debug, Default)]
pub struct Identity {
    inventory: Arc<Inventory>,
    tenures: Tenures,
    services: Services,
    nodes: Nodes,
    attached: Attached,
    networks: PodNetworks,
    workloads: Workloads,
}

/// Names who is behind an address at one time.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// A pod with a network of its own.
    Pod(&'a Pod),
    /// A node, or a pod in its network: the two can't be distinguished.
    Node(&'a ArcStr),
    /// A Service. Which of its backends is meant is not known.
    Service,
    /// A pod, by an address that it has in another network than the cluster's. It is not known which one where several have
    /// the address.
    Attached(Option<&'a Pod>),
    /// Possibly a pod: the address belongs to a pod network, and no known pod has it.
    Unnamed,
    /// Possibly anything: no pods and no nodes are known.
    NothingKnown,
    /// Neither a pod nor a node of this cluster.
    External,
}

impl<'a> Holder<'a> {
    /// Returns the holder as policies see it, with the reason where that is unknown.
    #[must_use]
    pub fn who(self) -> Who<'a> {
        match self {
            Self::Pod(pod) => Who::Pod(pod),
            Self::Node(node) => Who::Node(node),
            Self::Service => Who::Unknown("it is a Service's address, and the backend is not known"),
            Self::Attached(_) => Who::Unknown(
                "it is a pod's address in another network (Multus), and who enforces policies there is not known",
            ),
            Self::Unnamed => Who::Unknown("no known pod has this address, though it is a pod network's"),
            Self::NothingKnown => Who::Unknown("no pods and no nodes are known"),
            Self::External => Who::External,
        }
    }

    /// Returns the pod that has the address as its own.
    #[must_use]
    pub fn pod(self) -> Option<&'a Pod> {
        if let Self::Pod(pod) = self { Some(pod) } else { None }
    }

    /// Returns the pod that the address belongs to in any network, for its name.
    #[must_use]
    pub fn named_pod(self) -> Option<&'a Pod> {
        if let Self::Attached(pod) = self { pod } else { self.pod() }
    }

    /// Returns the node that has the address.
    #[must_use]
    pub fn node(self) -> Option<&'a ArcStr> {
        if let Self::Node(node) = self { Some(node) } else { None }
    }
}

impl Identity {
    /// Creates an identity that knows nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a new snapshot of the cluster, as it is `now`.
    pub fn apply(&mut self, inventory: Arc<Inventory>, now: Timestamp) {
        self.tenures.apply(&inventory.pods, now);
        self.nodes = Nodes::new(&inventory);
        self.attached = Attached::new(&inventory.pods);
        self.networks = PodNetworks::new(&inventory);
        self.services.apply(&inventory, &self.tenures, now);
        self.workloads.apply(&inventory);
        self.inventory = inventory;
    }

    /// Returns the snapshot that was applied last.
    #[must_use]
    pub fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }

    /// Returns when the API was first seen to give the address to the pod that had it at that time.
    pub(crate) fn listed(&self, ip: IpAddr, at: Timestamp) -> Option<Timestamp> {
        self.tenures.listed(ip.to_canonical(), at)
    }

    /// Returns who had the address at that time.
    #[must_use]
    pub fn holder(&self, ip: IpAddr, at: Timestamp) -> Holder<'_> {
        let ip = ip.to_canonical();
        if let Some(pod) = self.tenures.owner(ip, at) {
            Holder::Pod(pod)
        } else if let Some(node) = self.nodes.node(ip) {
            Holder::Node(node)
        } else if self.services.have(ip, at) {
            Holder::Service
        } else if self.networks.contain(ip) {
            Holder::Unnamed
        } else if let Some(pod) = self.attached.at(ip, at) {
            // Whatever the cluster itself has goes first: other networks may use its addresses for themselves.
            Holder::Attached(pod)
        } else if self.is_empty() && self.nodes.is_empty() && !is_public(ip) {
            Holder::NothingKnown
        } else {
            Holder::External
        }
    }

    /// Returns who had the address at that time, as policies see it.
    #[must_use]
    pub fn party(&self, ip: IpAddr, at: Timestamp) -> Party<'_> {
        Party { ip: Some(ip.to_canonical()), who: self.holder(ip, at).who() }
    }

    /// Returns the pod that had the address as its own at that time.
    #[must_use]
    pub fn pod(&self, ip: IpAddr, at: Timestamp) -> Option<&Arc<Pod>> {
        self.tenures.owner(ip.to_canonical(), at)
    }

    /// Returns the Service of this name; of one that is gone, for [`RETENTION`](crate::RETENTION).
    #[must_use]
    pub fn service(&self, namespace: &ArcStr, name: &ArcStr) -> Option<&KnownService> {
        self.services.named(namespace, name)
    }

    /// Returns the Services that have the address, in the order of their names. Several may share one, on different
    /// ports.
    pub fn services_at(&self, ip: IpAddr, at: Timestamp) -> impl Iterator<Item = &KnownService> {
        self.services.at(ip.to_canonical(), at)
    }

    /// Returns the port of a Service that an address and a port belong to. A port of a node may be one that a Service has
    /// open on every node.
    pub(super) fn service_port(
        &self,
        ip: IpAddr,
        port: u16,
        protocol: &str,
        at: Timestamp,
    ) -> Option<(&KnownService, &ServicePort)> {
        let node_port = || self.is_node(ip).then(|| self.services.node_port_of(port, protocol, at)).flatten();
        self.services.port_of(ip, port, protocol, at).or_else(node_port)
    }

    /// Returns the Service that `ip:port` belongs to. A port of a node may belong to one too; its other ports do not,
    /// whatever Services list its address.
    pub(super) fn service_at(&self, ip: IpAddr, port: u16, at: Timestamp) -> Option<&KnownService> {
        self.services.port(ip, port, at).or_else(|| match self.nodes.node(ip) {
            Some(_) => self.services.node_port(port, at),
            None => self.services.only_one_at(ip, at),
        })
    }

    /// Returns the nodes.
    pub(super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Returns the addresses under which nodes may forward a client's connection, with the nodes' names.
    pub(super) fn masquerades(&self) -> &[(ArcStr, IpAddr)] {
        self.nodes.masquerades()
    }

    /// Is true when the address is a node's.
    pub(super) fn is_node(&self, ip: IpAddr) -> bool {
        self.nodes.node(ip).is_some()
    }

    /// Returns the only pod in a node's network that declares the port.
    pub(super) fn listener(&self, ip: IpAddr, port: u16) -> Option<&Arc<Pod>> {
        self.nodes.listener(ip, port)
    }

    /// Returns the pod of this UID that is in the network of that node.
    pub(super) fn host_pod(&self, uid: &str, node: &str) -> Option<&Arc<Pod>> {
        self.nodes.host_pod(uid, node)
    }

    /// Returns the Service whose load balancer takes the packets to this address: nodes don't (`ipMode: Proxy`).
    #[must_use]
    pub fn proxied(&self, ip: IpAddr) -> Option<&ObjectRef> {
        self.services.proxied(ip.to_canonical())
    }

    /// Is true when load balancers announce the address.
    pub(super) fn is_announced(&self, ip: IpAddr) -> bool {
        self.services.is_vip(ip)
    }

    /// Forgets pods and Services that have been gone for longer than [`RETENTION`](crate::RETENTION).
    pub(super) fn prune(&mut self, now: Timestamp) {
        if self.tenures.prune(now) | self.services.prune(now) {
            self.workloads.changed();
        }
    }

    /// Prunes, and returns the workloads (namespace and name) that lost their last pod, present or remembered, and
    /// can't appear in a name any more. Each is returned once, until it has a pod again.
    pub fn departed(&mut self, now: Timestamp) -> Vec<ObjectRef> {
        self.prune(now);
        let pods = self.inventory.pods.iter().filter(|pod| !pod.finished).chain(self.tenures.pods());
        let pods = pods.map(|pod| (&pod.namespace, &pod.workload.name));
        self.workloads.departed(pods.chain(self.services.workloads()))
    }

    /// Is true when the workload has a pod, present or remembered.
    #[cfg(test)]
    pub(super) fn knows_workload(&self, namespace: &str, workload: &str) -> bool {
        self.workloads.contains(namespace, workload)
    }

    /// Returns the number of (address, pod) pairs that are held or remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tenures.len()
    }

    /// Is true when no pod's address is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenures.is_empty()
    }
}

/// Is true for an address of the Internet. Some clusters give such addresses to their pods, but then the networks of
/// their nodes say so; where no node is known, it is taken for one outside.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && (ip.octets()[1] & 0xc0) == 64;
            let special = ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast();
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared || special)
        }
        IpAddr::V6(ip) => (ip.segments()[0] & 0xe000) == 0x2000,
    }
}
