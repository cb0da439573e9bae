//! A connection, seen from the side that policies may select.

use arcstr::ArcStr;
use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::Direction;
use flow_model::inventory::Pod;
use flow_model::policies::Protocol;

use crate::plain::{Match, Why};

/// Stands for a node whose name isn't known.
static NOWHERE: ArcStr = arcstr::literal!("");

/// One direction of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) direction: Direction,
    /// The side that a policy of this direction selects: the destination of ingress, the source of egress.
    pub(crate) subject: Party<'a>,
    /// The other side.
    pub(crate) peer: Party<'a>,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
}

impl<'a> View<'a> {
    pub(crate) fn new(connection: &Connection<'a>, direction: Direction) -> Self {
        let (src, dst) = (settled(connection.src), settled(connection.dst));
        let (subject, peer) = match direction {
            Direction::Ingress => (dst, src),
            Direction::Egress => (src, dst),
        };
        Self { direction, subject, peer, protocol: connection.protocol, port: connection.port }
    }

    pub(crate) fn destination(&self) -> Who<'a> {
        match self.direction {
            Direction::Ingress => self.subject.who,
            Direction::Egress => self.peer.who,
        }
    }

    pub(super) fn is_itself(&self, pod: &Pod) -> bool {
        matches!(self.peer.who, Who::Pod(peer) if is_same(peer, pod))
    }

    /// Whether the other side is the node that the pod is on.
    pub(super) fn own_node(&self, pod: &Pod) -> Match {
        let Who::Node(node) = self.peer.who else { return Match::No };
        match &pod.node {
            _ if node.is_empty() => Match::Maybe(Why::Borrowed("on which node the other side is")),
            None => Match::Maybe(format!("on which node {}/{} is", pod.namespace, pod.name).into()),
            Some(own) => (own == node).into(),
        }
    }
}

/// Who it is as far as policies go: a pod in its node's network is the node, and a finished pod owns no address,
/// so somebody else may have it.
pub(crate) fn settle(who: Who<'_>) -> Who<'_> {
    match who {
        Who::Pod(pod) if pod.finished => Who::Unknown("the pod has finished and owns no address"),
        Who::Pod(pod) if pod.host_network => Who::Node(pod.node.as_ref().unwrap_or(&NOWHERE)),
        who => who,
    }
}

fn settled(party: Party<'_>) -> Party<'_> {
    Party { ip: party.ip.map(|ip| ip.to_canonical()), who: settle(party.who) }
}

fn is_same(a: &Pod, b: &Pod) -> bool {
    (&a.namespace, &a.name, &a.uid) == (&b.namespace, &b.name, &b.uid)
}
