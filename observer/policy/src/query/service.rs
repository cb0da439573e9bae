//! Services: which one an address is, which of its ports is meant, and what is behind that.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Backend, ContainerPort, Inventory, Service, ServicePort};
use flow_model::policies::Protocol;

use crate::query::{Port, QueryError};

/// Services by what clients address.
#[derive(Clone, Debug, Default)]
pub(super) struct Fronts {
    addresses: HashMap<IpAddr, Vec<Arc<Service>>>,
    node_ports: HashMap<u16, Vec<Arc<Service>>>,
}

/// How a Service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By its name: any of its families, and by all ways that it offers.
    Name,
    /// By a ClusterIP: of this family.
    Inside { v4: bool },
    /// By an external address or a node port of this family.
    Outside { v4: bool },
}

/// Backends that are one: the addresses of one pod.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    pub(super) pod: Option<&'a ArcStr>,
    pub(super) port: u16,
    pub(super) ips: Vec<IpAddr>,
}

impl Fronts {
    pub(super) fn new(inventory: &Inventory) -> Self {
        let mut fronts = Self::default();
        for service in &inventory.services {
            for ip in service.cluster_ips.iter().chain(&service.external_ips) {
                fronts.addresses.entry(ip.to_canonical()).or_default().push(Arc::clone(service));
            }
            for port in service.ports.iter().filter_map(|port| port.node_port) {
                fronts.node_ports.entry(port).or_default().push(Arc::clone(service));
            }
        }
        fronts
    }

    /// Services with this address; several may share one, on different ports.
    pub(super) fn at(&self, ip: IpAddr) -> &[Arc<Service>] {
        self.addresses.get(&ip).map_or(&[], Vec::as_slice)
    }

    /// The Service port behind a port of every node.
    pub(super) fn node_port(
        &self,
        port: Option<&Port>,
        protocol: Option<Protocol>,
    ) -> Option<(&Arc<Service>, &ServicePort)> {
        let Some(Port::Number(number)) = port else { return None };
        let protocol = protocol.unwrap_or_default().as_str();
        let of = |p: &&ServicePort| p.node_port == Some(*number) && p.protocol == protocol;
        let services = self.node_ports.get(number)?;
        services.iter().find_map(|service| Some((service, service.ports.iter().find(of)?)))
    }
}

/// The port that is meant.
pub(super) fn port<'a>(
    service: &'a Service,
    port: Option<&Port>,
    protocol: Option<Protocol>,
) -> Result<&'a ServicePort, QueryError> {
    let fits = |p: &&ServicePort| match port {
        // A number alone is TCP's; a name, or nothing, may be of any.
        Some(Port::Number(number)) => {
            p.port == *number && p.protocol == protocol.unwrap_or_default().as_str()
        }
        Some(Port::Name(name)) => p.name.as_ref() == Some(name) && is(p, protocol),
        None => is(p, protocol),
    };
    let mut fitting = service.ports.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(port), None) => Ok(port),
        (Some(_), Some(_)) => Err(QueryError::WhichPort {
            what: format!("Service {}", service.object_ref()),
            has: has(service),
        }),
        (None, _) => {
            let protocol = protocol.map(Protocol::as_str);
            let port = match (port, protocol) {
                (Some(Port::Number(number)), protocol) => format!("{number}/{}", protocol.unwrap_or("TCP")),
                (Some(Port::Name(name)), _) => name.to_string(),
                (None, protocol) => format!("of {}", protocol.unwrap_or("any protocol")),
            };
            Err(QueryError::NotOfService {
                service: service.object_ref().to_string(),
                port,
                has: has(service),
            })
        }
    }
}

/// What a port of the Service leads to: those that are ready, else all.
pub(super) fn backends<'a>(service: &'a Service, port: &ServicePort, way: Way) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: HashMap<(&ArcStr, u16), usize> = HashMap::new();
    for backend in service.backends_of(port, |ip| way.takes(service, ip)) {
        let place =
            backend.pod.as_ref().map(|pod| *places.entry((pod, backend.port)).or_insert(groups.len()));
        match place.and_then(|n| groups.get_mut(n)) {
            Some(group) => group.ips.push(backend.ip),
            None => {
                let Backend { pod, port, ip, .. } = backend;
                groups.push(Group { pod: pod.as_ref(), port: *port, ips: vec![*ip] });
            }
        }
    }
    groups.sort_by_key(|group| group.pod);
    groups
}

impl Way {
    fn takes(self, service: &Service, ip: IpAddr) -> bool {
        match self {
            Self::Name => {
                let own = &service.cluster_ips;
                own.is_empty() || own.iter().any(|own| own.to_canonical().is_ipv4() == ip.is_ipv4())
            }
            Self::Inside { v4 } | Self::Outside { v4 } => v4 == ip.is_ipv4(),
        }
    }

    /// Whether a node may put its own address in place of the client's.
    pub(super) fn may_masquerade(self, service: &Service) -> bool {
        let reachable =
            || !service.external_ips.is_empty() || service.ports.iter().any(|port| port.node_port.is_some());
        !service.external_local
            && match self {
                Self::Outside { .. } => true,
                Self::Inside { .. } => false,
                Self::Name => reachable(),
            }
    }
}

fn is(port: &ServicePort, protocol: Option<Protocol>) -> bool {
    protocol.is_none_or(|protocol| port.protocol == protocol.as_str())
}

fn has(service: &Service) -> String {
    listed(service.ports.iter().map(|port| (port.name.as_ref(), port.port, &port.protocol)))
}

/// Ports in words: `http 80/TCP, 443/TCP`.
pub(super) fn container_ports(ports: &[ContainerPort]) -> String {
    listed(ports.iter().map(|port| (port.name.as_ref(), port.port, &port.protocol)))
}

fn listed<'a>(ports: impl Iterator<Item = (Option<&'a ArcStr>, u16, &'a ArcStr)>) -> String {
    let one = |(name, port, protocol): (Option<&ArcStr>, u16, &ArcStr)| match name {
        Some(name) => format!("{name} {port}/{protocol}"),
        None => format!("{port}/{protocol}"),
    };
    let all: Vec<_> = ports.map(one).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
