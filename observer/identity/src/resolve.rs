//! The one rule from a flow's addresses to its sides.

mod possible;

use std::net::IpAddr;

use flow_model::connection::{Connection, Party};
use flow_model::flow::{FlowTuple, Vantage};
use flow_model::inventory::Pod;
use flow_model::policies::Protocol;
use flow_model::record::Endpoint;
use jiff::Timestamp;

use crate::behind::Behind;
use crate::identity::{Holder, Identity};
use crate::known_service::KnownService;
use crate::names::{name_pod, name_service};

pub use possible::{Possible, Way};

/// The meaning of a flow's addresses at one time. It borrows from [`Identity`] and allocates nothing; names are made on
/// request.
#[derive(Clone, Copy, Debug)]
pub struct Resolved<'a> {
    identity: &'a Identity,
    tuple: FlowTuple,
    at: Timestamp,
    client: Holder<'a>,
    /// The client as the server sees it, where that was seen and is another address.
    source: Option<Party<'a>>,
    /// The holder of the backend's address where a backend was seen, else of the address that the client used.
    server: Holder<'a>,
    /// The pods whose sockets they are, where the addresses are nodes'.
    owners: [Option<&'a Pod>; 2],
    /// The Service that the client addressed.
    service: Option<&'a KnownService>,
}

impl Identity {
    /// Resolves a flow that was seen at that time.
    #[must_use]
    pub fn resolve(&self, tuple: &FlowTuple, at: Timestamp) -> Resolved<'_> {
        let client = self.holder(tuple.src, at);
        let (ip, _) = tuple.backend.unwrap_or((tuple.dst, tuple.dport));
        Resolved {
            identity: self,
            tuple: *tuple,
            at,
            client,
            source: None,
            server: self.holder(ip, at),
            owners: [None; 2],
            service: self.service_at(tuple.dst.to_canonical(), tuple.dport, at),
        }
    }
}

impl<'a> Resolved<'a> {
    /// Sets the address that the server sees instead of the client's, where it was seen. Policies know the client by
    /// it; names don't.
    #[must_use]
    pub fn masqueraded_as(mut self, source: Option<IpAddr>) -> Self {
        self.source = source.map(|ip| self.identity.party(ip, self.at));
        self
    }

    /// Sets the UIDs of the pods whose sockets they are, by what this node's kernel says: the client's, and the one of who
    /// listens. It tells pods in the network of the node `node` from the node. Policies know neither.
    #[must_use]
    pub fn owned_by(mut self, client: Option<&str>, server: Option<&str>, node: &str) -> Self {
        let is_here = |side: Holder<'_>| side.node().is_some_and(|name| name == node);
        let pod = |side, uid: Option<&str>| {
            let pod = self.identity.host_pod(uid?, node).filter(|_| is_here(side))?;
            Some(&**pod)
        };
        self.owners = [pod(self.client, client), pod(self.server, server)];
        self
    }

    /// Names the side that opened the connection. A pod in the node's own network has the node's address: where it isn't known
    /// whose socket it was, such an address gets the node's name only.
    #[must_use]
    pub fn client_endpoint(&self) -> Endpoint {
        let mut endpoint = Endpoint::bare(self.tuple.src, self.tuple.sport);
        match self.client.named_pod() {
            Some(pod) => name_pod(&mut endpoint, pod),
            None => {
                endpoint.node = self.client.node().cloned();
                if let [Some(pod), _] = self.owners {
                    name_pod(&mut endpoint, pod);
                }
            }
        }
        endpoint
    }

    /// Names the side that the connection was opened to: the Service that was addressed, and the pod at the backend,
    /// else at the address itself. Where only the Service is known, its namespace, and its workload if all its backends
    /// are of one.
    #[must_use]
    pub fn server_endpoint(&self) -> Endpoint {
        let FlowTuple { dst, dport, backend, .. } = self.tuple;
        let mut endpoint = Endpoint::bare(dst, dport);
        let (ip, port) = self.end();
        endpoint.service = self.service.map(|known| known.name.clone());
        endpoint.backend_ip = Some(ip).filter(|ip| *ip != dst.to_canonical());
        endpoint.backend_port = Some(port).filter(|port| *port != dport);
        endpoint.node = self.server.node().cloned();
        // A Service's port on a node leads away from the node's own listeners.
        let may_listen = self.service.is_none() || backend.is_some();
        let [_, owner] = self.owners;
        let declared = || self.identity.listener(ip, port).map(|pod| &**pod);
        let listener = || owner.or_else(declared).filter(|_| may_listen);
        match (self.server.named_pod().or_else(listener), self.service) {
            (Some(pod), _) => name_pod(&mut endpoint, pod),
            (None, Some(known)) => name_service(&mut endpoint, known),
            (None, None) => {}
        }
        endpoint
    }

    /// Is true when the client's address belongs to a pod network and no known pod has it, so that its name may follow.
    #[must_use]
    pub fn client_is_unnamed(&self) -> bool {
        matches!(self.client, Holder::Unnamed)
    }

    /// Is true when the server's address belongs to a pod network and no known pod has it, so that its name may follow.
    #[must_use]
    pub fn server_is_unnamed(&self) -> bool {
        matches!(self.server, Holder::Unnamed)
    }

    /// Returns the pod that opened the connection.
    #[must_use]
    pub fn client_pod(&self) -> Option<&'a Pod> {
        self.client.pod()
    }

    /// Returns the pod that the connection ends at, as far as that was seen.
    #[must_use]
    pub fn server_pod(&self) -> Option<&'a Pod> {
        self.server.pod()
    }

    /// Returns the pods that the two addresses name, also by addresses in other networks than the cluster's.
    #[must_use]
    pub fn named_pods(&self) -> [Option<&'a Pod>; 2] {
        [self.client.named_pod(), self.server.named_pod()]
    }

    /// Returns when the agent saw the API give the client's address to its pod, if it saw that.
    #[must_use]
    pub fn client_listed(&self) -> Option<Timestamp> {
        self.client.pod().and_then(|_| self.identity.listed(self.tuple.src, self.at))
    }

    /// Returns when the agent saw the API give the server's address to its pod, if it saw that.
    #[must_use]
    pub fn server_listed(&self) -> Option<Timestamp> {
        self.server.pod().and_then(|_| self.identity.listed(self.end().0, self.at))
    }

    /// Returns the VIP through which the server was addressed. A node's address is a VIP (k3s' load balancer) on the
    /// ports of its Service only.
    #[must_use]
    pub fn vip(&self) -> Option<IpAddr> {
        let dst = self.tuple.dst.to_canonical();
        let of_service = || self.service.is_some_and(|known| known.has_vip(dst));
        let is_vip = self.identity.is_announced(dst) && (!self.identity.is_node(dst) || of_service());
        is_vip.then_some(dst)
    }

    /// Returns the TCP port of the Service that was addressed, and what is behind it.
    #[must_use]
    pub fn service_port(&self) -> Option<Behind<'a>> {
        self.identity.behind(self.tuple.dst, self.tuple.dport, Protocol::Tcp, self.at)
    }

    /// Returns the connections that the flow may be after DNAT: to the backend that was seen, or to any of the Service's.
    #[must_use]
    pub fn possible(&self) -> Possible<'a> {
        // A backend is seen where the client's packet is. Without another source there, nobody had replaced it.
        let is_own = self.tuple.backend.is_some() && matches!(self.client, Holder::External);
        let own = is_own.then(|| self.identity.party(self.tuple.src, self.at));
        Possible::along(self.connection(), self.way()).seen_from(self.source.or(own))
    }

    fn way(&self) -> Way<'a> {
        let FlowTuple { dst, dport, backend, .. } = self.tuple;
        // A pod's own address may be in a Service too: there is no DNAT then.
        let is_pod = self.identity.holder(dst, self.at).pod().is_some();
        let backend = backend.map(|(ip, port)| (ip.to_canonical(), port));
        if is_pod {
            return Way::Straight;
        }
        let replaced = backend.filter(|backend| *backend != (dst.to_canonical(), dport));
        if let (None, Some(why)) = (replaced, self.beyond()) {
            return Way::Beyond(why);
        }
        if backend.is_some() && replaced.is_none() {
            return Way::Straight;
        }
        if let Some(behind) = self.service_port() {
            let seen = |(_, port)| (self.connection().dst, port);
            return Way::Behind(behind.seen_at(backend.map(seen)));
        }
        let host_port = self.identity.host_port(dst, dport, Protocol::Tcp);
        let host_port = host_port.filter(|found| backend.is_none_or(|(_, port)| port == found.port.port));
        host_port.map_or(Way::Straight, Way::HostPort)
    }

    /// Returns why the connection ends where nothing here can judge it, unless a node replaces its destination.
    fn beyond(&self) -> Option<&'static str> {
        let dst = self.tuple.dst.to_canonical();
        if self.identity.proxied(dst).is_some() {
            return Some(
                "it is a load balancer's address with ipMode Proxy: the packets leave for it, and from where they come back is not known",
            );
        }
        let may_be_local = !matches!(self.client, Holder::External);
        (may_be_local && self.identity.may_answer_locally(dst, self.tuple.dport, self.at)).then_some(
            "a DNS cache on the client's own node may answer there, and enforcers differ about the own node",
        )
    }

    /// Returns the connection as far as it was seen: to the backend, or to the address that the client used.
    #[must_use]
    pub fn connection(&self) -> Connection<'a> {
        let (ip, port) = self.end();
        let dst = Party { ip: Some(ip), who: self.server.who() };
        let src = Party { ip: Some(self.tuple.src.to_canonical()), who: self.client.who() };
        Connection { src, dst, protocol: Protocol::Tcp, port }
    }

    /// Is true when the client is this node or a pod on it.
    #[must_use]
    pub fn client_is_on(&self, node: &str) -> bool {
        let of_pod = self.client.named_pod().and_then(|pod| pod.node.as_deref());
        of_pod.or(self.client.node().map(|name| &**name)) == Some(node)
    }

    /// Returns where on the node the flow passes, by which of its sides is a pod there.
    #[must_use]
    pub fn vantage(&self, node: &str) -> Vantage {
        let is_local = |pod: Option<&Pod>| pod.and_then(|pod| pod.node.as_deref()) == Some(node);
        if is_local(self.client_pod()) {
            Vantage::Source
        } else if is_local(self.server_pod()) {
            Vantage::Destination
        } else {
            Vantage::Transit
        }
    }

    fn end(&self) -> (IpAddr, u16) {
        let (ip, port) = self.tuple.backend.unwrap_or((self.tuple.dst, self.tuple.dport));
        (ip.to_canonical(), port)
    }
}
