//! The servers and clients for which resets are counted.

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use flow_model::record::{Endpoint, Reset};

use crate::subject::Subject;

/// A server, as findings distinguish it. Resets through a VIP count for the VIP, so that one burst is one finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Server {
    Vip(IpAddr),
    Workload(ObjectRef),
    /// `namespace/name`, where its workload is not known.
    Service(ObjectRef),
}

/// A client inside of the cluster. Addresses outside are no clients: each would be new, and its habit never learnt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Client {
    Named(ObjectRef),
    Node(ArcStr),
}

impl Server {
    /// Returns the server, if it belongs to the cluster.
    pub(super) fn of(reset: &Reset, vip: Option<IpAddr>) -> Option<Self> {
        let Endpoint { namespace, workload, service, .. } = &reset.dst;
        match (vip, namespace, workload) {
            (Some(vip), _, _) => Some(Self::Vip(vip.to_canonical())),
            (None, Some(namespace), Some(name)) => {
                Some(Self::Workload(ObjectRef::new(namespace.clone(), name.clone())))
            }
            (None, _, _) => service.clone().map(Self::Service),
        }
    }

    /// Returns the subject of its finding.
    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Vip(ip) => Subject::Vip(*ip),
            Self::Workload(name) => Subject::Workload(name.clone()),
            Self::Service(name) => Subject::Service(name.clone()),
        }
    }

    pub(super) fn vip(&self) -> Option<IpAddr> {
        match self {
            Self::Vip(ip) => Some(*ip),
            Self::Workload(_) | Self::Service(_) => None,
        }
    }
}

impl Client {
    pub(super) fn of(src: &Endpoint) -> Option<Self> {
        let Endpoint { namespace, workload, node, .. } = src;
        match (namespace, workload, node) {
            (Some(namespace), Some(name), _) => {
                Some(Self::Named(ObjectRef::new(namespace.clone(), name.clone())))
            }
            (_, _, Some(node)) => Some(Self::Node(node.clone())),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Named(name) => name.to_string(),
            Self::Node(node) => format!("node {node}"),
        }
    }
}
