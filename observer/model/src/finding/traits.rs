//! The traits that distinguish the kinds of findings, one row each.
//!
//! What keeps findings and what writes Kubernetes Events read this table. They name a kind only in a rule that concerns
//! it alone. A kind without a row does not compile.

use crate::finding::FindingKind;

/// Names the detector that finds a kind. Attempts are read one by one. Every other detector reports all that it finds
/// at once: what it no longer reports is over, and silence ends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingSource {
    /// Attempts: a finding lasts until they succeed or stop, or the policies allow them.
    Attempts,
    /// The open connections of the node, which may be silent for days.
    OpenConnections,
    /// The announcers of load-balancer addresses.
    Vips,
    /// Bursts of resets.
    Resets,
    /// Servers that get many SYNs which become no connections.
    Floods,
    /// Sources that try many ports or hosts.
    Scans,
    /// Blind spots of the agent.
    BlindSpots,
}

/// Indicates whether a finding claims that the policies refuse its example, and so has to be judged again when they
/// change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestsOnRefusal {
    Never,
    Always,
    /// The finding claims it only where the connection was established.
    IfEstablished,
}

/// Names what [`crate::finding::Finding::count`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Occurrences since the finding began: the count only grows.
    Occurrences,
    /// The things that are there now: the count rises and falls.
    Present,
}

/// Names the object that a Kubernetes Event about a finding is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventObject {
    /// The client pod, else what it addressed.
    Client,
    /// The policy, else as for [`EventObject::Client`].
    Policy,
    /// The Service that has the VIP.
    VipService,
    /// The Service addressed, else the server pod.
    Server,
    /// The Node of the agent.
    Node,
}

/// Holds the row of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindTraits {
    pub source: FindingSource,
    pub rests_on_refusal: RestsOnRefusal,
    pub counting: Counting,
    pub event_object: EventObject,
}

impl FindingKind {
    /// Returns the row of this kind.
    #[must_use]
    pub const fn traits(self) -> KindTraits {
        use Counting::{Occurrences, Present};
        use EventObject::{Client, Node, Policy, Server, VipService};
        use FindingSource::{Attempts, BlindSpots, Floods, OpenConnections, Resets, Scans, Vips};
        use RestsOnRefusal::{Always, IfEstablished, Never};

        let (source, rests_on_refusal, counting, event_object) = match self {
            Self::PolicyDenied => (Attempts, Always, Occurrences, Client),
            Self::ServiceRefused => (Attempts, Never, Occurrences, Client),
            Self::Unanswered => (Attempts, Never, Occurrences, Client),
            Self::EnforcementMismatch => (Attempts, IfEstablished, Occurrences, Policy),
            Self::LatentDenial => (OpenConnections, Never, Present, Client),
            Self::VipFlap => (Vips, Never, Occurrences, VipService),
            Self::VipConflict => (Vips, Never, Occurrences, VipService),
            Self::RstBurst => (Resets, Never, Occurrences, Server),
            Self::SynFlood => (Floods, Never, Occurrences, Server),
            Self::PortScan => (Scans, Never, Occurrences, Client),
            Self::BlindSpot => (BlindSpots, Never, Present, Node),
        };
        KindTraits { source, rests_on_refusal, counting, event_object }
    }
}
