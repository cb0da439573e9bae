//! The two sides and the port of a flow, as findings distinguish them.

use std::borrow::Cow;

use arcstr::ArcStr;
use flow_model::finding::FindingKind;
use flow_model::object_ref::ObjectRef;
use flow_model::record::Endpoint;
use serde::{Deserialize, Serialize};

use crate::subject::{FindingKey, Subject};

/// A client, a server, and the server's own port. Only the client's node sees the port of a Service, so that port would
/// make two subjects of one flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowSubject {
    src: Side,
    dst: Side,
    port: u16,
}

/// A side of a flow. It is a workload rather than a pod, so that a restart continues the same finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Side {
    /// A workload, or a Service where no workload is known.
    Named(ObjectRef),
    Node(ArcStr),
    /// Everything outside of the cluster. One side per address would let one scan fill the table.
    External,
    /// An address while no cluster is known, so that nothing is known to be outside.
    Address(ArcStr),
}

impl FlowSubject {
    /// Returns the subject of these two endpoints. `cluster` is true where a cluster is known: an address without a
    /// name is outside of it then.
    pub(crate) fn new(src: &Endpoint, dst: &Endpoint, cluster: bool) -> Self {
        Self { src: Side::client(src, cluster), dst: Side::new(dst, cluster), port: dst.own_port() }
    }

    /// Returns the subject of what the client addressed, as it is where no backend was seen; `None` where that is no
    /// Service.
    pub(crate) fn addressed(src: &Endpoint, dst: &Endpoint, cluster: bool) -> Option<Self> {
        let service = Side::Named(dst.service.clone()?);
        Some(Self { src: Side::client(src, cluster), dst: service, port: dst.port })
    }

    pub(crate) fn of_kind(&self, kind: FindingKind) -> FindingKey {
        FindingKey { kind, subject: Subject::Flow(self.clone()) }
    }

    pub(crate) fn src_is_outside(&self) -> bool {
        self.src == Side::External
    }

    pub(crate) fn dst_is_outside(&self) -> bool {
        self.dst == Side::External
    }

    /// Returns what the subject's ID is made from.
    pub(super) fn parts(&self) -> [Cow<'_, str>; 5] {
        let [src_type, src] = self.src.parts();
        let [dst_type, dst] = self.dst.parts();
        [src_type, src, dst_type, dst, self.port.to_string().into()]
    }
}

impl Side {
    /// Returns the side that opened the connection. Only its own node knows which pod in the node's network it was, and both
    /// nodes' findings must have one subject.
    fn client(endpoint: &Endpoint, cluster: bool) -> Self {
        endpoint.node.clone().map_or_else(|| Self::new(endpoint, cluster), Self::Node)
    }

    fn new(endpoint: &Endpoint, cluster: bool) -> Self {
        match (endpoint.owner(), &endpoint.node) {
            (Some(name), _) => Self::Named(name),
            (None, Some(node)) => Self::Node(node.clone()),
            (None, None) if cluster => Self::External,
            (None, None) => Self::Address(arcstr::format!("{}", endpoint.ip)),
        }
    }

    fn parts(&self) -> [Cow<'_, str>; 2] {
        match self {
            Self::Named(name) => ["named".into(), name.to_string().into()],
            Self::Node(node) => ["node".into(), node.as_str().into()],
            Self::External => ["external".into(), "".into()],
            Self::Address(ip) => ["address".into(), ip.as_str().into()],
        }
    }
}
