//! The backends behind a port of a Service, and the clients in front of it.

use std::iter;
use std::net::IpAddr;
use std::sync::Arc;

use flow_model::connection::{Party, Who};
use flow_model::inventory::{Backend, Pod, Service, ServicePort};
use flow_model::policies::Protocol;
use jiff::Timestamp;

use crate::access::Access;
use crate::identity::{Holder, Identity};
use crate::known_service::KnownService;

/// A port of a Service as a client uses it: where its connections can end, and from where they can come.
#[derive(Clone, Copy, Debug)]
pub struct Behind<'a> {
    identity: &'a Identity,
    known: &'a KnownService,
    port: &'a ServicePort,
    access: Access,
    at: Timestamp,
}

/// A place where a connection to a Service can end.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    pub backend: &'a Backend,
    /// The pod there, also one in its node's network.
    pub pod: Option<&'a Pod>,
    /// The backend as policies see it.
    pub party: Party<'a>,
}

impl Identity {
    /// Returns the port of a Service that `ip:port` belongs to, and what is behind it. A port of a node may be one that a
    /// Service has open on every node.
    #[must_use]
    pub fn behind(&self, ip: IpAddr, port: u16, protocol: Protocol, at: Timestamp) -> Option<Behind<'_>> {
        let ip = ip.to_canonical();
        let (known, port) = self.service_port(ip, port, protocol.as_str(), at)?;
        Some(Behind::new(self, known, port, Access::at(&known.service, ip), at))
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
        Self { identity, known, port, access, at }
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
        ends.map(move |(backend, pod)| behind.end(backend, pod))
    }

    /// Returns the addresses under which the client may arrive: its own, and those of nodes where they may masquerade
    /// it.
    pub fn sources(&self, client: Party<'a>) -> impl Iterator<Item = Party<'a>> + Clone + use<'a> {
        let replaced = self.may_masquerade() && matches!(client.who, Who::External);
        let nodes = if replaced { self.identity.masquerades() } else { &[] };
        let same_family = move |ip: IpAddr| client.ip.is_none_or(|own| own.is_ipv4() == ip.is_ipv4());
        let nodes = nodes.iter().filter(move |(_, ip)| same_family(*ip));
        iter::once(client).chain(nodes.map(|(node, ip)| Party { ip: Some(*ip), who: Who::Node(node) }))
    }

    fn with_pods(&self) -> impl Iterator<Item = (&'a Backend, Option<&'a Arc<Pod>>)> + Clone + use<'a> {
        let port = self.port;
        let serves = move |b: &Backend| b.port_name == port.name && b.protocol == port.protocol;
        self.known.backends().filter(move |(backend, _)| serves(backend))
    }

    /// The holder of the address goes first. The pod that the backend names takes its place where the address is not
    /// known yet.
    fn end(&self, backend: &'a Backend, named: Option<&'a Arc<Pod>>) -> End<'a> {
        let holder = self.identity.holder(backend.ip, self.at);
        let (pod, who) = match (holder, named) {
            (Holder::Pod(pod), _) => (Some(pod), holder.who()),
            (Holder::Node(_), Some(pod)) if pod.host_network => (Some(&**pod), holder.who()),
            (Holder::Node(_), _) | (_, None) => (None, holder.who()),
            (_, Some(pod)) => (Some(&**pod), as_party(pod)),
        };
        End { backend, pod, party: Party { ip: Some(backend.ip.to_canonical()), who } }
    }
}

/// Returns a pod as policies see it: one in its node's network is the node.
fn as_party(pod: &Pod) -> Who<'_> {
    match &pod.node {
        Some(node) if pod.host_network => Who::Node(node),
        _ => Who::Pod(pod),
    }
}
