//! The backends behind a port of a Service, and the clients in front of it.

use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::connection::{Party, Who};
use flow_model::inventory::{Backend, Pod, Service, ServicePort};
use flow_model::policies::Protocol;
use jiff::Timestamp;

use crate::access::Access;
use crate::entry::{Entry, node_of};
use crate::identity::{Holder, Identity};
use crate::known_service::KnownService;

/// A port of a Service as a client uses it: where its connections can end, and from where they can come.
#[derive(Clone, Copy, Debug)]
pub struct Behind<'a> {
    identity: &'a Identity,
    known: &'a KnownService,
    port: &'a ServicePort,
    access: Access,
    /// The node whose address the client uses, with that address.
    node: Option<(&'a ArcStr, IpAddr)>,
    /// The only backend that counts, where it was seen, with its port.
    seen: Option<(Party<'a>, u16)>,
    at: Timestamp,
}

/// A place where a connection to a Service can end.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    pub ip: IpAddr,
    /// The number of the container port.
    pub port: u16,
    /// The pod there, also one in its node's network.
    pub pod: Option<&'a Pod>,
    /// The backend as policies see it.
    pub party: Party<'a>,
    /// The node that it is on.
    pub node: Option<&'a ArcStr>,
}

impl Identity {
    /// Returns the port of a Service that `ip:port` belongs to, and what is behind it. A port of a node may be one that a
    /// Service has open on every node.
    #[must_use]
    pub fn behind(&self, ip: IpAddr, port: u16, protocol: Protocol, at: Timestamp) -> Option<Behind<'_>> {
        let ip = ip.to_canonical();
        let (known, found) = self.service_port(ip, port, protocol.as_str(), at)?;
        let access = match found.port == port {
            true => Access::at(&known.service, ip),
            false => Access::NodePort { v4: ip.is_ipv4() },
        };
        let node = self.nodes().node(ip).map(|node| (node, ip));
        Some(Behind { node, ..Behind::new(self, known, found, access, at) })
    }
}

impl<'a> Behind<'a> {
    /// Describes one port of a Service at that time.
    #[must_use]
    pub fn new(
        identity: &'a Identity,
        known: &'a KnownService,
        port: &'a ServicePort,
        access: Access,
        at: Timestamp,
    ) -> Self {
        Self { identity, known, port, access, node: None, seen: None, at }
    }

    /// Returns the port with the only backend that counts, as it was seen.
    #[must_use]
    pub fn seen_at(self, backend: Option<(Party<'a>, u16)>) -> Self {
        Self { seen: backend, ..self }
    }

    /// Returns the port as a client reaches it that uses this address.
    #[must_use]
    pub fn through(self, ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        Self { node: self.identity.nodes().node(ip).map(|node| (node, ip)), ..self }
    }

    pub(super) fn identity(&self) -> &'a Identity {
        self.identity
    }

    /// Returns the way in which the client addresses the Service.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Returns the node whose address the client uses.
    #[must_use]
    pub fn at_node(&self) -> Option<&'a ArcStr> {
        self.node.map(|(node, _)| node)
    }

    /// Returns where the client's connection enters kube-proxy.
    pub(super) fn entry(&self, client: Party<'a>) -> Entry<'a> {
        let own = node_of(client.who);
        match (self.at_node(), client.who) {
            // A node takes what its pods send to any load balancer's address, and to its own ports.
            (Some(node), Who::External) => Entry::At(node),
            (Some(node), Who::Pod(_) | Who::Node(_)) if self.is_node_port() && own != Some(node) => {
                Entry::At(node)
            }
            (_, Who::Pod(_) | Who::Node(_)) => Entry::Own,
            (_, Who::External | Who::Unknown(_)) => Entry::Anywhere,
        }
    }

    pub(super) fn node_address(&self) -> Option<IpAddr> {
        self.node.map(|(_, ip)| ip)
    }

    pub(super) fn is_node_port(&self) -> bool {
        matches!(self.access, Access::NodePort { .. })
    }

    /// Is true for clients that use the ClusterIP, as those inside do who know only the name.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        match self.access {
            // Manifests often leave the ClusterIP to the API server.
            Access::Inside { .. } | Access::ByName => true,
            Access::Outside { .. } | Access::NodePort { .. } => false,
        }
    }

    /// Returns the port's protocol; TCP for one that policies don't know.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.port.protocol.parse().unwrap_or_default()
    }

    /// Returns the Service.
    #[must_use]
    pub fn service(&self) -> &'a Service {
        &self.known.service
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> &'a ServicePort {
        self.port
    }

    /// Is true when kube-proxy looks whether the client is in `loadBalancerSourceRanges`: at the load balancer's address.
    #[must_use]
    pub fn meets_source_ranges(&self, client: Party<'_>) -> bool {
        match self.access {
            Access::Outside { .. } => true,
            Access::ByName => matches!(client.who, Who::External),
            Access::Inside { .. } | Access::NodePort { .. } => false,
        }
    }

    /// Is true when connections can end somewhere, and no place there is ready.
    #[must_use]
    pub fn is_unready(&self) -> bool {
        let mut reached = self.backends().filter(|b| self.access.leads_to(self.service(), b.ip)).peekable();
        reached.peek().is_some() && !reached.any(|backend| backend.ready)
    }

    /// Is true when a node may put its own address in place of a client's.
    #[must_use]
    pub fn may_masquerade(&self) -> bool {
        self.access.may_masquerade(self.service())
    }

    /// Returns all backends of the port, over both address families, ready or not.
    pub fn backends(&self) -> impl Iterator<Item = &'a Backend> + Clone + use<'a> {
        self.with_pods().map(|(backend, _)| backend)
    }

    /// Returns the places where a connection can end: the backends that are ready, else all, as kube-proxy does.
    pub fn ends(&self) -> impl Iterator<Item = End<'a>> + Clone + use<'a> {
        let behind = *self;
        let reached =
            self.with_pods().filter(move |(backend, _)| behind.access.leads_to(behind.service(), backend.ip));
        let any_ready = reached.clone().any(|(backend, _)| backend.ready);
        let ends = reached.filter(move |(backend, _)| backend.ready || !any_ready);
        ends.map(move |(backend, pod)| behind.end((backend.ip, backend.port), pod, backend.node.as_ref()))
    }

    /// Returns the places where this client's connection can end. A traffic policy `Local` keeps it on one node; where no
    /// backend is there, all places are returned, for what the policies would say.
    pub fn ends_for(&self, client: Party<'a>) -> impl Iterator<Item = End<'a>> + Clone + use<'a> {
        let only = self.local_to(client).filter(|node| self.ends().any(|end| end.node == Some(node)));
        let seen = self.seen.and_then(|seen| self.seen_end(seen));
        let all =
            seen.is_none().then(|| self.ends().filter(move |end| only.is_none_or(|n| end.node == Some(n))));
        seen.into_iter().chain(all.into_iter().flatten())
    }

    /// Returns the node whose backends alone this client reaches, where a traffic policy `Local` says so.
    #[must_use]
    pub fn local_to(&self, client: Party<'a>) -> Option<&'a ArcStr> {
        match self.entry(client) {
            Entry::Own if self.is_inside() && self.service().internal_local => node_of(client.who),
            Entry::At(node) if self.service().external_local => Some(node),
            Entry::Own | Entry::At(_) | Entry::Anywhere => None,
        }
    }

    /// Returns the end that was seen. The pod that was seen there goes before what the snapshot knows of the address.
    fn seen_end(&self, (party, port): (Party<'a>, u16)) -> Option<End<'a>> {
        let ip = party.ip?;
        let found =
            self.with_pods().find(|(backend, _)| backend.ip.to_canonical() == ip && backend.port == port);
        let end = match found {
            Some((backend, pod)) => self.end((ip, port), pod, backend.node.as_ref()),
            None => self.end((ip, port), None, None),
        };
        Some(match party.who {
            Who::Pod(pod) => End { pod: Some(pod), party, node: node_of(party.who).or(end.node), ..end },
            Who::Node(_) | Who::External | Who::Unknown(_) => end,
        })
    }

    fn with_pods(&self) -> impl Iterator<Item = (&'a Backend, Option<&'a Arc<Pod>>)> + Clone + use<'a> {
        let port = self.port;
        let serves = move |b: &Backend| b.port_name == port.name && b.protocol == port.protocol;
        self.known.backends().filter(move |(backend, _)| serves(backend))
    }

    /// The holder of the address goes first. The pod that the backend names takes its place where the address is not
    /// known yet.
    fn end(
        &self,
        (ip, port): (IpAddr, u16),
        named: Option<&'a Arc<Pod>>,
        node: Option<&'a ArcStr>,
    ) -> End<'a> {
        let holder = self.identity.holder(ip, self.at);
        let (pod, who) = match (holder, named) {
            (Holder::Pod(pod), _) => (Some(pod), holder.who()),
            (Holder::Node(_), Some(pod)) if pod.host_network => (Some(&**pod), holder.who()),
            (Holder::Node(_), _) | (_, None) => (None, holder.who()),
            (_, Some(pod)) => (Some(&**pod), as_party(pod)),
        };
        let ip = ip.to_canonical();
        End { ip, port, pod, party: Party { ip: Some(ip), who }, node: node_of(who).or(node) }
    }
}

/// Returns a pod as policies see it: one in its node's network is the node.
fn as_party(pod: &Pod) -> Who<'_> {
    match &pod.node {
        Some(node) if pod.host_network => Who::Node(node),
        _ => Who::Pod(pod),
    }
}
