//! A connection, seen from the side that policies may select.

use arcstr::ArcStr;

use super::super::model::Protocol;
use super::{Match, Why};
use crate::core::inventory::Pod;
use crate::core::policy::{Connection, Direction, Party, Who};

/// Stands for a node whose name isn't known.
static NOWHERE: ArcStr = arcstr::literal!("");

/// One direction of a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::core::policy) struct View<'a> {
    pub(in crate::core::policy) direction: Direction,
    /// The side that a policy of this direction selects: the destination of ingress, the source of egress.
    pub(in crate::core::policy) subject: Party<'a>,
    /// The other side.
    pub(in crate::core::policy) peer: Party<'a>,
    pub(in crate::core::policy) protocol: Protocol,
    pub(in crate::core::policy) port: u16,
}

impl<'a> View<'a> {
    pub(in crate::core::policy) fn new(connection: &Connection<'a>, direction: Direction) -> Self {
        let (src, dst) = (settled(connection.src), settled(connection.dst));
        let (subject, peer) = match direction {
            Direction::Ingress => (dst, src),
            Direction::Egress => (src, dst),
        };
        Self { direction, subject, peer, protocol: connection.protocol, port: connection.port }
    }

    pub(in crate::core::policy) fn destination(&self) -> Who<'a> {
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
fn settle(who: Who<'_>) -> Who<'_> {
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
