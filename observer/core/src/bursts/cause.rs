//! What may have brought a burst about.

use std::net::IpAddr;

use arcstr::{ArcStr, literal};
use jiff::{SignedDuration, Timestamp};

use crate::bursts::server::Server;
use flow_model::object_ref::{ObjectRef, joined};

/// A cause is at most this much older than the first reset.
pub(super) const BEFORE: SignedDuration = SignedDuration::from_secs(30);
/// The API tells late: a process dies, its connections are reset, and only then is its pod not ready. So long may a cause be
/// seen after the first reset, and so long can the cause of a burst change.
pub(super) const AFTER: SignedDuration = SignedDuration::from_secs(5);
/// The wire tells at once; records of the same moment may still change places.
const AFTER_ON_THE_WIRE: SignedDuration = SignedDuration::from_secs(1);
/// A move this close to the resets is their cause, whatever else happened: the change that the move followed, for one.
const CLOSE: SignedDuration = SignedDuration::from_secs(5);

/// A VIP that changed hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipMove {
    pub at: Timestamp,
    pub vip: IpAddr,
    /// `namespace/name` of the Services that have it.
    pub services: Vec<ObjectRef>,
    /// Nodes, or MACs where no node is known to have them.
    pub from: Option<ArcStr>,
    pub to: Option<ArcStr>,
}

/// Something else that happened, in words: "NetworkPolicy data/cache-ingress was changed at ... by OpenTofu".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: Timestamp,
    pub what: String,
}

/// Who knows what happened around a burst.
pub trait Causes {
    /// Moves of this VIP since then; without one, of all VIPs.
    fn vip_moves(&self, vip: Option<IpAddr>, since: Timestamp) -> Vec<VipMove>;

    /// Changes of policies, or of labels that they look at, that concern one of these namespaces.
    fn policy_changes(&self, namespaces: &[ArcStr], since: Timestamp) -> Vec<Change>;

    /// Backends that went, came or became unready: the workload's, and those of these Services (`namespace/name`).
    fn endpoint_changes(&self, server: &Server, services: &[ObjectRef], since: Timestamp) -> Vec<Change>;

    /// Whether the Service has a backend of this workload.
    fn has_backend(&self, service: &ObjectRef, workload: &ObjectRef) -> bool;
}

/// The kind of cause: the `cause` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    VipMove,
    PolicyChange,
    EndpointChange,
}

/// A cause that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) kind: Kind,
    pub(super) at: Timestamp,
    /// A clause: "it moved k8s-node3 -> k8s-node4".
    pub(super) what: String,
    /// The VIP that moved.
    pub(super) vip: Option<IpAddr>,
}

/// What the resets of a burst say of where to look.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    /// Services that were addressed.
    pub(super) services: Vec<ObjectRef>,
    /// Of both sides.
    pub(super) namespaces: Vec<ArcStr>,
}

impl Kind {
    pub(super) fn label(kind: Option<Self>) -> ArcStr {
        match kind {
            Some(Self::VipMove) => literal!("vip_move"),
            Some(Self::PolicyChange) => literal!("policy_change"),
            Some(Self::EndpointChange) => literal!("endpoint_change"),
            None => literal!("unknown"),
        }
    }

    fn may_follow_by(self) -> SignedDuration {
        match self {
            Self::VipMove => AFTER_ON_THE_WIRE,
            Self::PolicyChange | Self::EndpointChange => AFTER,
        }
    }
}

impl Cause {
    fn distance(&self, start: Timestamp) -> SignedDuration {
        start.duration_since(self.at).abs()
    }

    fn explains(&self, start: Timestamp) -> bool {
        let before = start.duration_since(self.at);
        before <= BEFORE && before >= -self.kind.may_follow_by()
    }
}

/// The cause nearest to the first reset; a move first, if it is close.
pub(super) fn likeliest(
    server: &Server,
    scene: &Scene,
    start: Timestamp,
    causes: &dyn Causes,
) -> Option<Cause> {
    let since = start.saturating_sub(BEFORE).unwrap_or(Timestamp::MIN);
    let candidates = all(server, scene, since, causes);
    let nearest = candidates.into_iter().filter(|cause| cause.explains(start)).min_by_key(|cause| {
        let distance = cause.distance(start);
        (cause.kind != Kind::VipMove || distance > CLOSE, distance, cause.kind)
    })?;
    Some(nearest)
}

/// When the newest cause of this kind was: a burst whose cause goes on is no habit.
pub(super) fn newest(
    kind: Kind,
    server: &Server,
    scene: &Scene,
    since: Timestamp,
    causes: &dyn Causes,
) -> Option<Timestamp> {
    all(server, scene, since, causes)
        .into_iter()
        .filter(|cause| cause.kind == kind)
        .map(|cause| cause.at)
        .max()
}

fn all(server: &Server, scene: &Scene, since: Timestamp, causes: &dyn Causes) -> Vec<Cause> {
    let moves = causes.vip_moves(server.vip(), since);
    let moves = moves.into_iter().filter(|moved| concerns(moved, server, scene, causes));
    let moves = moves.map(|moved| {
        let (at, what, vip) = (moved.at, told(&moved, server), Some(moved.vip));
        Cause { kind: Kind::VipMove, at, what, vip }
    });
    let of_kind = |kind| move |Change { at, what }: Change| Cause { kind, at, what, vip: None };
    let policies = causes.policy_changes(&scene.namespaces, since);
    let endpoints = causes.endpoint_changes(server, &scene.services, since);
    moves
        .chain(policies.into_iter().map(of_kind(Kind::PolicyChange)))
        .chain(endpoints.into_iter().map(of_kind(Kind::EndpointChange)))
        .filter(|cause| cause.at >= since)
        .collect()
}

/// A server that is not addressed as the VIP may still be behind it.
fn concerns(moved: &VipMove, server: &Server, scene: &Scene, causes: &dyn Causes) -> bool {
    let mut services = moved.services.iter();
    match server {
        Server::Vip(vip) => moved.vip.to_canonical() == *vip,
        Server::Service(name) => services.any(|service| service == name),
        Server::Workload(workload) => {
            services.any(|service| scene.services.contains(service) || causes.has_backend(service, workload))
        }
    }
}

fn told(moved: &VipMove, server: &Server) -> String {
    let who = match server {
        Server::Vip(_) => "it".to_owned(),
        Server::Workload(_) | Server::Service(_) if moved.services.is_empty() => {
            format!("VIP {}", moved.vip)
        }
        Server::Workload(_) | Server::Service(_) => {
            format!("VIP {} ({})", moved.vip, joined(&moved.services))
        }
    };
    match (&moved.from, &moved.to) {
        (Some(from), Some(to)) => format!("{who} moved {from} -> {to}"),
        (None, Some(to)) => format!("{who} moved to {to}"),
        (Some(from), None) => format!("{who} moved away from {from}"),
        (None, None) => format!("{who} moved"),
    }
}
