//! The ways in which clients reach a Service.

use std::net::IpAddr;

use flow_model::inventory::Service;

/// The way in which a client addresses a Service. It decides where the connection can end and from where it can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The client uses the name: over any of its address families, and at a ClusterIP where there is one.
    ByName,
    /// The client uses one of the ClusterIPs, which has this family.
    Inside { v4: bool },
    /// The client uses an external address of this family, also one that is a node's.
    Outside { v4: bool },
    /// The client uses a node's address of this family and the port that the Service has open on every node.
    NodePort { v4: bool },
}

impl Access {
    /// Returns how a client that uses this address of the Service, or a node's address, comes to it.
    #[must_use]
    pub fn at(service: &Service, ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        let v4 = ip.is_ipv4();
        let is_in = |ips: &[IpAddr]| ips.iter().any(|own| own.to_canonical() == ip);
        match () {
            () if is_in(&service.cluster_ips) => Self::Inside { v4 },
            () if is_in(&service.external_ips) || is_in(&service.vips) => Self::Outside { v4 },
            () => Self::NodePort { v4 },
        }
    }

    /// Is true when a connection made this way can end at the backend address: NAT keeps the address family.
    #[must_use]
    pub fn leads_to(self, service: &Service, backend: IpAddr) -> bool {
        let v4 = backend.to_canonical().is_ipv4();
        match self {
            Self::ByName => {
                let own = &service.cluster_ips;
                own.is_empty() || own.iter().any(|own| own.to_canonical().is_ipv4() == v4)
            }
            Self::Inside { v4: own } | Self::Outside { v4: own } | Self::NodePort { v4: own } => own == v4,
        }
    }

    /// Is true when a node may put its own address in place of a client's: with `externalTrafficPolicy: Cluster` it
    /// does so for clients of an external address or a node port, also for pods.
    #[must_use]
    pub fn may_masquerade(self, service: &Service) -> bool {
        let reachable =
            || !service.external_ips.is_empty() || service.ports.iter().any(|port| port.node_port.is_some());
        !service.external_local
            && match self {
                Self::Outside { .. } | Self::NodePort { .. } => true,
                Self::Inside { .. } => false,
                Self::ByName => reachable(),
            }
    }
}
