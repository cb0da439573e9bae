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
    /// A lease whose Service must be found among those that exist.
    Lease(LeaseBody),
    /// An event; of a Service's events only the newest counts.
    Event(EventBody),
}

/// A lease for one Service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LeaseBody {
    /// The announcer without its Service.
    pub(crate) announcer: Arc<Announcer>,
    pub(crate) of: LeaseOf,
}

/// The way in which a lease names its Service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LeaseOf {
    /// The Service's name. The namespace is the lease's own, or any where all leases are in `kube-system`.
    Name(ArcStr),
    /// The text `<namespace>-<name>`, in which both may hold dashes.
    Joined(ArcStr),
}

/// An event that names an announcing node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventBody {
    /// The announcer; `since` is the first time of this event.
    pub(crate) announcer: Arc<Announcer>,
    /// The last time of this event.
    pub(crate) last: Option<Timestamp>,
}
