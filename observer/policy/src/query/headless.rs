//! Services without a ClusterIP: their names stand for the addresses of their pods, and nobody replaces a port.

use std::net::IpAddr;

use flow_identity::KnownService;
use flow_model::inventory::{Backend, Pod, Service, ServicePort};
use flow_model::policies::Protocol;

use crate::query::directory::Directory;
use crate::query::error::QueryError;
use crate::query::parse;
use crate::query::question::Port;
use crate::query::route::{End, Route};
use crate::query::routes::Asked;
use crate::query::service::{self, Group};

impl Directory {
    /// Leads to the pods behind the Service, each at the port that the client dials.
    pub(super) fn route_to_headless<'a>(
        &'a self,
        known: &'a KnownService,
        asked: Asked<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Route<'a>, QueryError> {
        let service = known.service();
        let name = service.object_ref();
        let (number, protocol, listed) = match asked.port {
            Some(Port::Number(number)) => (Some(*number), asked.protocol.unwrap_or_default(), None),
            port => {
                let listed = service::port(service, port, asked.protocol)?;
                (None, parse::protocol(&listed.protocol).unwrap_or_default(), Some(listed))
            }
        };
        notes.extend(replaced(service, number, protocol));
        let serves = |backend: &&(&Backend, Option<&'a Pod>)| {
            listed.is_none_or(|listed| {
                backend.0.port_name == listed.name && backend.0.protocol == listed.protocol
            })
        };
        let all: Vec<_> = known.backends().map(|(backend, pod)| (backend, pod.map(|pod| &**pod))).collect();
        let any_ready = all.iter().filter(serves).any(|(backend, _)| backend.ready);
        let reached = all.iter().filter(serves).filter(|(backend, _)| backend.ready || !any_ready);
        let mut groups: Vec<Group<'a>> = Vec::new();
        for (backend, pod) in reached {
            add(&mut groups, *pod, number.unwrap_or(backend.port), backend.ip.to_canonical());
        }
        if all.is_empty() {
            // A Service without ports has no backends of its own.
            for pod in self.names.running(&service.namespace).filter(|pod| service.selects(pod)) {
                let Some(number) = number else { continue };
                pod.ips.iter().for_each(|ip| add(&mut groups, Some(pod), number, ip.to_canonical()));
            }
        } else if !any_ready {
            notes.push(format!("no backend of Service {name} is ready: its name has no address"));
        }
        let ends = groups.into_iter().map(|group| End::new(self.backend(&group), group.port, protocol));
        let at =
            number.or(listed.map(|listed| listed.port)).map_or_else(String::new, |port| format!(":{port}"));
        let service = Some(format!("{name}{at}"));
        Ok(Route { service, ..Route::straight(format!("Service {name}"), ends.collect()) })
    }
}

fn add<'a>(groups: &mut Vec<Group<'a>>, pod: Option<&'a Pod>, port: u16, ip: IpAddr) {
    let same = |group: &&mut Group<'a>| match (group.pod, pod) {
        (Some(a), Some(b)) => std::ptr::eq(a, b) && group.port == port,
        (None, None) => group.port == port && group.ips.contains(&ip),
        _ => false,
    };
    match groups.iter_mut().find(same) {
        Some(group) if group.ips.contains(&ip) => {}
        Some(group) => group.ips.push(ip),
        None => groups.push(Group { pod, port, ips: vec![ip], node: None }),
    }
}

/// Warns where the Service lists the port with another one behind it: that has no effect.
fn replaced(service: &Service, number: Option<u16>, protocol: Protocol) -> Option<String> {
    let asked = |port: &&ServicePort| Some(port.port) == number && port.protocol == protocol.as_str();
    let listed = service.ports.iter().find(asked)?;
    let target = listed.target_port.as_ref().filter(|target| target.parse() != Ok(listed.port))?;
    Some(format!(
        "Service {} is headless: clients connect to its pods themselves, and nobody replaces port {} by targetPort {target}",
        service.object_ref(),
        listed.port
    ))
}
