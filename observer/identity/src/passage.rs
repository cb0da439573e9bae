//! The way of a connection through nodes that replace its addresses.
//!
//! kube-proxy replaces the destination where a connection enters it: on the client's own node for a ClusterIP, for a load
//! balancer's address and for a port of that node, else on the node whose port the client uses. It replaces the source
//! after the policies of that node. So a backend on the same node is asked under the client's own address, and one on
//! another node under the address with which the first node sends to pods.

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::connection::{Connection, Party, Who};

use crate::behind::{Behind, End};
use crate::entry::{Entry, node_of};
use crate::identity::Identity;

/// A connection as the policies meet it: egress as it leaves the client's node, ingress as it arrives at the server's.
#[derive(Clone, Copy, Debug)]
pub struct Passage<'a> {
    pub leaving: Connection<'a>,
    pub arriving: Connection<'a>,
}

impl<'a> Passage<'a> {
    /// Describes a connection whose addresses nobody replaces.
    #[must_use]
    pub fn unchanged(connection: Connection<'a>) -> Self {
        Self { leaving: connection, arriving: connection }
    }

    /// Is true when the server doesn't see the client's own address.
    #[must_use]
    pub fn is_masqueraded(&self) -> bool {
        let (own, seen) = (self.leaving.src, self.arriving.src);
        own.ip != seen.ip || matches!(own.who, Who::Node(_)) != matches!(seen.who, Who::Node(_))
    }
}

/// The addresses under which a client may arrive at one place: one of its own, and those of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources<'a> {
    own: Option<Party<'a>>,
    listed: &'a [(ArcStr, IpAddr)],
    /// The node that is not meant, though it is in the list.
    without: Option<&'a ArcStr>,
    /// The family of the addresses, where it is known.
    v4: Option<bool>,
    /// The node that is meant where no address of it is known.
    nowhere: Option<&'a ArcStr>,
}

impl<'a> Sources<'a> {
    fn of(own: Option<Party<'a>>, listed: &'a [(ArcStr, IpAddr)], v4: Option<bool>) -> Self {
        Self { own, listed, without: None, v4, nowhere: None }
    }

    pub(super) fn own(client: Party<'a>) -> Self {
        Self::of(Some(client), &[], None)
    }

    /// Returns the addresses of a list of one node.
    fn of_node(node: &'a ArcStr, listed: &'a [(ArcStr, IpAddr)], v4: Option<bool>) -> Self {
        let any = listed.iter().any(|(_, ip)| v4.is_none_or(|v4| ip.is_ipv4() == v4));
        Self { nowhere: (!any).then_some(node), ..Self::of(None, listed, v4) }
    }

    fn or_own(self, client: Party<'a>) -> Self {
        Self { own: Some(client), ..self }
    }

    pub(super) fn parties(self) -> impl Iterator<Item = Party<'a>> + Clone + use<'a> {
        let Self { own, listed, without, v4, nowhere } = self;
        let listed = listed
            .iter()
            .filter(move |(node, ip)| without != Some(node) && v4.is_none_or(|v4| ip.is_ipv4() == v4));
        let nowhere = nowhere.map(|node| Party { ip: None, who: Who::Node(node) });
        own.into_iter()
            .chain(listed.map(|(node, ip)| Party { ip: Some(*ip), who: Who::Node(node) }))
            .chain(nowhere)
    }
}

impl Identity {
    /// Returns the addresses under which a node's packets may arrive at pods of other nodes.
    fn sent_by<'a>(&'a self, node: &'a ArcStr, v4: Option<bool>) -> Sources<'a> {
        let sources = Sources::of_node(node, self.nodes().toward_pods(node), v4);
        // A node whose object is not known may send under the address of a tunnel, too.
        Sources { nowhere: sources.nowhere.or((!self.nodes().has_object(node)).then_some(node)), ..sources }
    }

    /// Returns the passages of a connection straight to a pod or an address, from a client that is known by name. A node
    /// is seen by pods of other nodes under the address with which it sends to them.
    pub fn straight<'a>(&'a self, connection: Connection<'a>) -> impl Iterator<Item = Passage<'a>> + use<'a> {
        let client = connection.src;
        let v4 = connection.dst.ip.or(client.ip).map(|ip| ip.is_ipv4());
        let sources = match (client.who, node_of(connection.dst.who)) {
            (Who::Node(node), Some(there)) if node == there => Sources::own(client),
            // An address in the pod network is not replaced again.
            (Who::Node(node), _) if client.ip.is_none_or(|ip| self.nodes().is_own(node, ip)) => {
                match (connection.dst.who, node_of(connection.dst.who)) {
                    (Who::Pod(_), Some(_)) => self.sent_by(node, v4),
                    (Who::Pod(_), None) => self.sent_by(node, v4).or_own(client),
                    _ => Sources::own(client),
                }
            }
            _ => Sources::own(client),
        };
        sources
            .parties()
            .map(move |src| Passage { leaving: connection, arriving: Connection { src, ..connection } })
    }

    /// Returns the client as another node sees it that it reaches at that node's own address: pods are masqueraded when
    /// they leave the pod network.
    pub(super) fn at_node<'a>(&'a self, client: Party<'a>, v4: Option<bool>) -> Sources<'a> {
        match client.who {
            Who::Pod(pod) => match &pod.node {
                Some(node) => Sources::of_node(node, self.nodes().own(node), v4),
                None => Sources::of(Some(client), self.masquerades(), v4),
            },
            Who::Node(_) | Who::External | Who::Unknown(_) => Sources::own(client),
        }
    }
}

impl<'a> Behind<'a> {
    /// Returns the passages of a client's connection to one end: from each address under which it may arrive there.
    pub fn passages_to(
        &self,
        client: Party<'a>,
        end: End<'a>,
    ) -> impl Iterator<Item = Passage<'a>> + use<'a> {
        let protocol = self.protocol();
        let to_end = move |src| Connection { src, dst: end.party, protocol, port: end.port };
        let leaving = match (self.entry(client), self.node_address(), self.port().node_port) {
            (Entry::At(node), Some(ip), Some(port)) if self.is_node_port() => {
                let dst = Party { ip: Some(ip), who: Who::Node(node) };
                Connection { src: client, dst, protocol, port }
            }
            _ => to_end(client),
        };
        let arriving = self.sources(client, &end);
        arriving.parties().map(move |src| Passage { leaving, arriving: to_end(src) })
    }

    fn sources(&self, client: Party<'a>, end: &End<'a>) -> Sources<'a> {
        let identity = self.identity();
        let v4 = Some(end.ip.is_ipv4());
        let (there, keeps) = (end.node, !self.may_masquerade());
        match self.entry(client) {
            Entry::Own => match (client.who, node_of(client.who)) {
                (Who::Pod(_), _) if keeps || self.is_inside() => Sources::own(client),
                (_, Some(node)) if there == Some(node) => Sources::own(client),
                (_, Some(node)) if there.is_some() => identity.sent_by(node, v4),
                (_, Some(node)) => identity.sent_by(node, v4).or_own(client),
                (_, None) => Sources::of(Some(client), identity.masquerades(), v4),
            },
            Entry::At(node) if keeps || there == Some(node) => identity.at_node(client, v4),
            Entry::At(node) if there.is_some() => identity.sent_by(node, v4),
            Entry::At(node) => identity.sent_by(node, v4).or_own(client),
            Entry::Anywhere if keeps || !matches!(client.who, Who::External) => Sources::own(client),
            Entry::Anywhere => {
                Sources { without: there, ..Sources::of(Some(client), identity.masquerades(), v4) }
            }
        }
    }
}
