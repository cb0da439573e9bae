//! The part of an announcing object that is kept.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use jiff::Timestamp;

/// The part of an announcing object that is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AnnouncerBody {
    /// An object that names its Service by itself.
    Whole(Arc<Announcer>),
    /// A lease, whose Services must be found among those that exist.
    Lease(LeaseBody),
    /// An event; of a Service's events only the newest counts.
    Event(EventBody),
}

/// A lease for one Service, for several or for all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LeaseBody {
    /// The announcer without its Service.
    pub(crate) announcer: Arc<Announcer>,
    pub(crate) of: LeaseOf,
}

/// What the name of a lease says about its Services. Annotations of Services may name any lease besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeaseOf {
    /// kube-vip's lease for all Services.
    Services,
    /// kube-vip's lease for the address of the API server.
    ControlPlane,
    /// The Service's name. The namespace is the lease's own, or any where all leases are in `kube-system`.
    Name(ArcStr),
    /// The text `<namespace>-<name>`, in which both may hold dashes.
    Joined(ArcStr),
    /// Nothing: only annotations tell which Services it is for, if it is for any.
    Annotated,
}

/// An event that names an announcing node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventBody {
    /// The announcer; `since` is the first time of this event.
    pub(crate) announcer: Arc<Announcer>,
    /// The last time of this event.
    pub(crate) last: Option<Timestamp>,
}
