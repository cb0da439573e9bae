//! The events that may have caused a burst.

use std::net::IpAddr;

use arcstr::{ArcStr, literal};
use jiff::{SignedDuration, Timestamp};

use crate::bursts::server::Server;
use flow_model::flow::ResetCause;
use flow_model::object_ref::{ObjectRef, joined};

/// A cause is at most this much older than the first reset.
pub(super) const BEFORE: SignedDuration = SignedDuration::from_secs(30);
/// The API reports late: a process dies, its connections are reset, and only then is its pod not ready. A cause may be
/// seen this long after the first reset, and the cause of a burst can change this long.
pub(super) const AFTER: SignedDuration = SignedDuration::from_secs(5);
/// The wire shows a move at once, but records of the same moment may arrive in any order.
const AFTER_ON_THE_WIRE: SignedDuration = SignedDuration::from_secs(1);
/// A move this close to the resets is their cause, even if something else was closer, such as the change that led to
/// the move.
const CLOSE: SignedDuration = SignedDuration::from_secs(5);

/// A move of a VIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VipMove {
    pub at: Timestamp,
    pub vip: IpAddr,
    /// The Services that have it.
    pub services: Vec<ObjectRef>,
    /// Nodes, or Ethernet addresses of which no node is known.
    pub from: Option<ArcStr>,
    pub to: Option<ArcStr>,
}

/// Something else that happened, as a clause: "NetworkPolicy data/cache-ingress was changed at ... by OpenTofu".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: Timestamp,
    pub what: String,
}

/// Knows what happened around a burst.
pub trait Causes {
    /// Returns the moves of this VIP since then, or of all VIPs.
    fn vip_moves(&self, vip: Option<IpAddr>, since: Timestamp) -> Vec<VipMove>;

    /// Returns changes of policies, or of labels that they select, that concern one of these namespaces.
    fn policy_changes(&self, namespaces: &[ArcStr], since: Timestamp) -> Vec<Change>;

    /// Returns which backends of the workload, and of these Services, appeared, disappeared or became unready.
    fn endpoint_changes(&self, server: &Server, services: &[ObjectRef], since: Timestamp) -> Vec<Change>;

    /// Is true where the Service has a backend of this workload.
    fn has_backend(&self, service: &ObjectRef, workload: &ObjectRef) -> bool;
}

/// The kind of cause: the `cause` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Connection tracking left packets of the server as they were. The resets themselves say so.
    NotTranslated,
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

/// Names the Services and namespaces in which to look for causes, according to the resets of a burst.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    /// Services that were addressed.
    pub(super) services: Vec<ObjectRef>,
    /// Namespaces of both sides.
    pub(super) namespaces: Vec<ArcStr>,
    /// What connection tracking did to most of the resets, and when it did so last.
    pub(super) untranslated: Option<(ResetCause, Timestamp)>,
}

impl Kind {
    pub(super) fn label(kind: Option<Self>) -> ArcStr {
        match kind {
            Some(Self::NotTranslated) => literal!("not_translated"),
            Some(Self::VipMove) => literal!("vip_move"),
            Some(Self::PolicyChange) => literal!("policy_change"),
            Some(Self::EndpointChange) => literal!("endpoint_change"),
            None => literal!("unknown"),
        }
    }

    fn may_follow_by(self) -> SignedDuration {
        match self {
            Self::VipMove => AFTER_ON_THE_WIRE,
            Self::NotTranslated | Self::PolicyChange | Self::EndpointChange => AFTER,
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

/// Returns what the resets themselves tell, else the cause nearest to the first one. A close move comes first.
pub(super) fn likeliest(
    server: &Server,
    scene: &Scene,
    start: Timestamp,
    causes: &dyn Causes,
) -> Option<Cause> {
    if let Some((cause, _)) = scene.untranslated {
        let what = format!("{} ({cause})", cause.explained());
        return Some(Cause { kind: Kind::NotTranslated, at: start, what, vip: None });
    }
    let since = start.saturating_sub(BEFORE).unwrap_or(Timestamp::MIN);
    let candidates = all(server, scene, since, causes);
    let nearest = candidates.into_iter().filter(|cause| cause.explains(start)).min_by_key(|cause| {
        let distance = cause.distance(start);
        (cause.kind != Kind::VipMove || distance > CLOSE, distance, cause.kind)
    })?;
    Some(nearest)
}

/// Returns when the newest cause of this kind happened. A burst whose cause goes on is no habit.
pub(super) fn newest(
    kind: Kind,
    server: &Server,
    scene: &Scene,
    since: Timestamp,
    causes: &dyn Causes,
) -> Option<Timestamp> {
    if kind == Kind::NotTranslated {
        return scene.untranslated.map(|(_, at)| at).filter(|at| *at >= since);
    }
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
        let (at, what, vip) = (moved.at, clause(&moved, server), Some(moved.vip));
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

/// Is true where the move concerns the server. A server that is not addressed by the VIP may still be behind it.
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

/// Returns a clause about a move: "it moved k8s-node3 -> k8s-node4".
fn clause(moved: &VipMove, server: &Server) -> String {
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
