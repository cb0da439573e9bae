//! The subjects of findings. At most one episode goes on for each kind and subject.

mod flow;
mod id;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::blind_spot::BlindReason;
use flow_model::finding::FindingKind;
use flow_model::object_ref::ObjectRef;
use serde::{Deserialize, Serialize};

pub use self::flow::FlowSubject;
pub(crate) use self::id::id_of;

/// The subject of a finding. Subjects are ordered, so that a recording gives the same outputs at every replay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// A client, a server and a port.
    Flow(FlowSubject),
    /// A load-balancer address.
    Vip(IpAddr),
    /// A workload as a server.
    Workload(ObjectRef),
    /// A Service whose workload is not known.
    Service(ObjectRef),
    /// An address and a port as a server.
    Server(IpAddr, u16),
    /// An address as a client.
    Client(IpAddr),
    /// What the agent of this node can't see for this reason.
    Sight(ArcStr, BlindReason),
}

/// Identifies what a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FindingKey {
    pub kind: FindingKind,
    pub subject: Subject,
}
