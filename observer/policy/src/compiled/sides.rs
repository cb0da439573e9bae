//! The two parties of a connection, with the numbers that the tables have for them.

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::connection::{Connection, Party, Who};
use flow_model::inventory::Pod;
use flow_model::network::Enforcer;
use flow_model::policies::{Direction, Protocol};

use crate::compiled::Compiled;
use crate::compiled::groups::Group;
use crate::compiled::program::{PodsPeer, Where};
use crate::compiled::truth::Truth;
use crate::readings;

/// Holds one side of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side<'a> {
    pub(super) ip: Option<IpAddr>,
    pub(super) who: Known<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Known<'a> {
    Pod(Seen<'a>),
    Node(&'a ArcStr),
    External,
    Unknown,
}

/// Holds a pod and its numbers. A pod that isn't in the inventory may lack them, and is then judged by its labels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) pod: &'a Pod,
    pub(super) space: Option<u32>,
    pub(super) labels: Option<u32>,
    pub(super) group: Option<&'a Group>,
}

/// Holds one direction of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) direction: Direction,
    pub(super) subject: &'a Side<'a>,
    pub(super) peer: &'a Side<'a>,
    pub(super) destination: &'a Side<'a>,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    /// The enforcer whose rules apply.
    pub(super) enforcer: Enforcer,
}

impl<'a> View<'a> {
    pub(super) fn by_kube_router(&self) -> bool {
        self.enforcer == Enforcer::KubeRouter
    }

    /// Returns the same connection from its other side.
    pub(super) fn reversed(&self) -> Self {
        let direction = match self.direction {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        };
        Self { direction, subject: self.peer, peer: self.subject, ..*self }
    }
}

impl Compiled {
    /// Returns source and destination.
    pub(super) fn sides<'a>(&'a self, connection: &Connection<'a>) -> [Side<'a>; 2] {
        let Connection { src, dst, .. } = readings::settled(connection);
        [self.side(src), self.side(dst)]
    }

    fn side<'a>(&'a self, party: Party<'a>) -> Side<'a> {
        let who = match party.who {
            Who::Pod(pod) => Known::Pod(self.seen(pod)),
            Who::Node(node) => Known::Node(node),
            Who::External => Known::External,
            Who::Unknown(_) => Known::Unknown,
        };
        Side { ip: party.ip, who }
    }

    pub(super) fn seen<'a>(&'a self, pod: &'a Pod) -> Seen<'a> {
        let known = self.pods.get(&std::ptr::from_ref(pod).addr()).and_then(|group| self.groups.get(*group));
        if let Some(group) = known {
            return Seen { pod, space: Some(group.space), labels: Some(group.labels), group: Some(group) };
        }
        let space = self.tables.spaces.find(&pod.namespace);
        let labels = self.tables.labels.find(&pod.labels);
        let group = space.zip(labels).and_then(|(space, labels)| self.groups.find(space, labels));
        Seen { pod, space, labels, group }
    }

    /// Returns whether a peer matches a pod.
    pub(super) fn matches_pod(&self, peer: PodsPeer, seen: &Seen<'_>) -> Truth {
        if let (Some(space), Some(labels)) = (seen.space, seen.labels) {
            return self.tables.holds(peer, space, labels);
        }
        if !peer.pods.is_none_or(|selector| self.has_labels(selector, seen)) {
            return Truth::No;
        }
        match (peer.namespaces, seen.space) {
            (Where::Everywhere, _) => Truth::Yes,
            (Where::In(own), space) => (Some(own) == space).into(),
            (Where::Selected(selector), Some(space)) => self.tables.spaces.holds(selector, space),
            (Where::Selected(selector), None) => self.tables.spaces.matches(selector, &seen.pod.namespace),
        }
    }

    pub(super) fn has_labels(&self, selector: u32, seen: &Seen<'_>) -> bool {
        match seen.labels {
            Some(labels) => self.tables.labels.holds(selector, labels),
            None => self.tables.labels.matches(selector, &seen.pod.labels),
        }
    }
}
