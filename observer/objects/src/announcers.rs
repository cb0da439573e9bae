//! Objects that say which node announces a Service's address: MetalLB's, kube-vip's and Cilium's.
//!
//! What changes with every renewal or repetition (`renewTime`, `count`) is not kept, so that it makes no new inventory.

mod event;
mod l2status;
mod lease;

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use jiff::Timestamp;
use serde_json::Value;

use flow_model::object_ref::ObjectRef;

/// What is kept of such an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum AnnouncerBody {
    /// It stands for itself.
    Whole(Arc<Announcer>),
    /// A lease whose Service must be found among those that exist.
    Lease(LeaseBody),
    /// Of a Service's events only the newest counts.
    Event(EventBody),
}

/// A lease for one Service.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LeaseBody {
    /// Without its Service.
    pub(super) announcer: Arc<Announcer>,
    pub(super) of: LeaseOf,
}

/// How a lease names its Service.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LeaseOf {
    /// By its name; the namespace is the lease's own, or any where all leases are in `kube-system`.
    Name(ArcStr),
    /// By `<namespace>-<name>`, in which both may hold dashes.
    Joined(ArcStr),
}

/// An event that names an announcing node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EventBody {
    /// `since` is the first time of this event.
    pub(super) announcer: Arc<Announcer>,
    pub(super) last: Option<Timestamp>,
}

/// Reads an object of these kinds; `None` for one that is counted only.
pub(super) fn read(
    kind: &str,
    key: &ObjectRef,
    value: Value,
    notes: &mut Vec<String>,
) -> Result<Option<AnnouncerBody>, String> {
    match kind {
        "ServiceL2Status" => {
            l2status::read(key, value).map(|announcer| Some(AnnouncerBody::Whole(announcer.into())))
        }
        "Lease" => lease::read(key, value, notes),
        _ => event::read(key, value, notes).map(|event| event.map(AnnouncerBody::Event)),
    }
}
