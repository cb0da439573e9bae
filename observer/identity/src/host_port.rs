//! Ports of nodes that lead to pods (`hostPort`).

use std::net::IpAddr;

use flow_model::connection::{Connection, Party, Who};
use flow_model::inventory::{ContainerPort, Pod};
use flow_model::policies::Protocol;

use crate::entry::node_of;
use crate::identity::Identity;
use crate::passage::{Passage, Sources};

/// A port of a node's address that leads to a pod on that node.
#[derive(Clone, Copy, Debug)]
pub struct HostPort<'a> {
    identity: &'a Identity,
    /// The node, by the address and the port that the client uses.
    at: Connection<'a>,
    pub pod: &'a Pod,
    pub port: &'a ContainerPort,
}

impl Identity {
    /// Returns the pod behind a port of a node's address.
    #[must_use]
    pub fn host_port(&self, ip: IpAddr, port: u16, protocol: Protocol) -> Option<HostPort<'_>> {
        let ip = ip.to_canonical();
        let node = self.nodes().node(ip)?;
        let mut found =
            self.nodes().host_ports(node, port).filter_map(|(pod, at)| Some((&**pod, pod.ports.get(at)?)));
        let (pod, container) = found.find(|(_, container)| {
            let on_address =
                container.host.is_some_and(|host| host.ip.is_none_or(|own| own.to_canonical() == ip));
            on_address && container.protocol == protocol.as_str()
        })?;
        let party = Party { ip: Some(ip), who: Who::Node(node) };
        let at = Connection { src: party, dst: party, protocol, port };
        Some(HostPort { identity: self, at, pod, port: container })
    }
}

impl<'a> HostPort<'a> {
    /// Returns the passages of a client's connection. The portmap plugin replaces the destination on the node that is
    /// addressed; a pod of another node has left the pod network by then.
    pub fn passages(&self, client: Party<'a>) -> impl Iterator<Item = Passage<'a>> + use<'a> {
        let Self { pod, port, at, .. } = *self;
        let same_family =
            |ip: &&IpAddr| at.dst.ip.is_none_or(|at| at.is_ipv4() == ip.to_canonical().is_ipv4());
        let ip = pod.ips.iter().find(same_family).map(IpAddr::to_canonical);
        let dst = Party { ip, who: Who::Pod(pod) };
        let to_pod = move |src| Connection { src, dst, protocol: at.protocol, port: port.port };
        let is_here = node_of(client.who).is_some() && node_of(client.who) == node_of(at.dst.who);
        let leaving = if is_here { to_pod(client) } else { Connection { src: client, ..at } };
        let v4 = at.dst.ip.map(|ip| ip.is_ipv4());
        let sources = match is_here {
            true => Sources::own(client),
            false => self.identity.at_node(client, v4),
        };
        sources.parties().map(move |src| Passage { leaving, arriving: to_pod(src) })
    }
}
