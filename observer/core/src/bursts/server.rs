//! Whom resets are counted for.

use std::net::IpAddr;

use arcstr::{ArcStr, literal};
use flow_model::object_ref::ObjectRef;
use flow_model::record::{Endpoint, Reset};

/// A server as one finding is about it. What goes through a VIP is the VIP's, so that one burst is told once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Server {
    Vip(IpAddr),
    Workload(ObjectRef),
    /// `namespace/name`, where its workload is not known.
    Service(ObjectRef),
}

/// Clients inside, by name. The world outside has no client of its own: each of its addresses would be new, and its habit
/// never learnt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Client {
    Named(ObjectRef),
    Node(ArcStr),
}

impl Server {
    /// `None` for servers that are not ours.
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

    /// What tells its finding from others.
    pub(super) fn subject(&self) -> [ArcStr; 2] {
        match self {
            Self::Vip(ip) => [literal!("vip"), arcstr::format!("{ip}")],
            Self::Workload(name) => [literal!("workload"), arcstr::format!("{name}")],
            Self::Service(name) => [literal!("service"), arcstr::format!("{name}")],
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
