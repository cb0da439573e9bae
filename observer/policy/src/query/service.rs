//! Services: which of their ports a question means, and what is behind it.

use std::collections::HashMap;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_identity::End;
use flow_model::inventory::{ContainerPort, Pod, Service, ServicePort};
use flow_model::policies::Protocol;

use crate::query::error::QueryError;
use crate::query::question::Port;

/// Holds backends that are one: the addresses of one pod on one port, or an address that no pod is named for.
#[derive(Clone, Debug)]
pub(super) struct Group<'a> {
    pub(super) pod: Option<&'a Pod>,
    pub(super) port: u16,
    pub(super) ips: Vec<IpAddr>,
    /// The node that it is on.
    pub(super) node: Option<&'a ArcStr>,
}

/// Finds the port of the Service that the question means.
///
/// # Errors
/// Fails when the Service has no such port, or several.
pub(super) fn port<'a>(
    service: &'a Service,
    port: Option<&Port>,
    protocol: Option<Protocol>,
) -> Result<&'a ServicePort, QueryError> {
    let fits = |p: &&ServicePort| match port {
        // A number alone means TCP; a name, or nothing, may mean any protocol.
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

/// Returns the ends behind a Service port, with the addresses of one pod taken together, in the order of the pods'
/// namespaces and names. Hand-made slices may lead to pods of other namespaces, which may have equal names.
pub(super) fn groups<'a>(ends: impl Iterator<Item = End<'a>>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: HashMap<(&ArcStr, &ArcStr, u16), usize> = HashMap::new();
    for End { ip, port, pod, node, .. } in ends {
        let place = pod.map(|pod| *places.entry((&pod.namespace, &pod.name, port)).or_insert(groups.len()));
        match place.and_then(|n| groups.get_mut(n)) {
            Some(group) => group.ips.push(ip),
            None => groups.push(Group { pod, port, ips: vec![ip], node }),
        }
    }
    groups.sort_by_key(|group| group.pod.map(|pod| (&pod.namespace, &pod.name)));
    groups
}

fn is(port: &ServicePort, protocol: Option<Protocol>) -> bool {
    protocol.is_none_or(|protocol| port.protocol == protocol.as_str())
}

fn has(service: &Service) -> String {
    listed(service.ports.iter().map(|port| (port.name.as_ref(), port.port, &port.protocol)))
}

/// Lists container ports for a sentence: `http 80/TCP, 443/TCP`.
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
