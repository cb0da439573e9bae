//! A connection, seen from the side that policies may select.

use flow_model::connection::{Connection, Party, Who};
use flow_model::inventory::Pod;
use flow_model::network::Enforcer;
use flow_model::policies::{Direction, Protocol};

use crate::plain::{Match, Why};
use crate::readings;

/// Holds one direction of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) direction: Direction,
    /// The side that a policy of this direction selects: the destination of ingress, the source of egress.
    pub(crate) subject: Party<'a>,
    /// The other side.
    pub(crate) peer: Party<'a>,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    /// The enforcer by whose rules it is judged.
    pub(crate) enforcer: Enforcer,
}

impl<'a> View<'a> {
    pub(crate) fn new(connection: &Connection<'a>, direction: Direction, enforcer: Enforcer) -> Self {
        let Connection { src, dst, protocol, port } = readings::settled(connection);
        let (subject, peer) = match direction {
            Direction::Ingress => (dst, src),
            Direction::Egress => (src, dst),
        };
        Self { direction, subject, peer, protocol, port, enforcer }
    }

    /// Returns the same connection from its other side.
    pub(super) fn reversed(self) -> Self {
        let Self { subject, peer, direction, .. } = self;
        let direction = match direction {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        };
        Self { direction, subject: peer, peer: subject, ..self }
    }

    /// Is true where kube-router's own rules apply.
    pub(crate) fn by_kube_router(&self) -> bool {
        self.enforcer == Enforcer::KubeRouter
    }

    pub(crate) fn destination(&self) -> Who<'a> {
        match self.direction {
            Direction::Ingress => self.subject.who,
            Direction::Egress => self.peer.who,
        }
    }

    pub(super) fn is_itself(&self, pod: &Pod) -> bool {
        matches!(self.peer.who, Who::Pod(peer) if readings::is_same_pod(peer, pod))
    }

    /// Matches if the other side is the pod's node, and the enforcer lets every connection between the two pass.
    pub(super) fn lets_own_node(&self, pod: &Pod) -> Match {
        match (self.direction, self.enforcer) {
            (Direction::Egress, Enforcer::KubeRouter)
                if !readings::is_node_port(self.protocol, self.port) =>
            {
                Match::No
            }
            _ => self.own_node(pod),
        }
    }

    /// Matches if the other side is the node that the pod runs on.
    pub(super) fn own_node(&self, pod: &Pod) -> Match {
        let Who::Node(node) = self.peer.who else { return Match::No };
        match &pod.node {
            _ if node.is_empty() => Match::Maybe(Why::Borrowed("on which node the other side is")),
            None => Match::Maybe(format!("on which node {}/{} is", pod.namespace, pod.name).into()),
            Some(own) => (own == node).into(),
        }
    }
}
