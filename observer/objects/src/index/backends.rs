//! Backends from pods, and their order.

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::inventory::{Backend, ContainerPort, Service};

use crate::convert::PodBody;

/// The fields by which two backends are the same.
pub(super) type Place<'a> = (Option<&'a ArcStr>, IpAddr, u16, &'a ArcStr);

/// Returns the place, then what decides between two backends of the same place: a ready one is first.
pub(super) fn order(b: &Backend) -> (Place<'_>, bool, Option<&ArcStr>) {
    ((b.port_name.as_ref(), b.ip, b.port, &b.protocol), !b.ready, b.pod.as_ref())
}

/// Returns the backends that a pod gives to a Service.
pub(super) fn pod_backends<'a>(
    service: &'a Service,
    body: &'a PodBody,
) -> impl Iterator<Item = Backend> + 'a {
    let pod = &body.pod;
    let families = &service.cluster_ips;
    let served = |ip: &IpAddr| families.is_empty() || families.iter().any(|c| c.is_ipv4() == ip.is_ipv4());
    let ips = pod.ips.iter().copied().filter(served).collect::<Vec<_>>();
    service.ports.iter().flat_map(move |p| {
        let port = match &p.target_port {
            None => Some(p.port),
            Some(target) => target.parse().ok().or_else(|| {
                let same = |c: &&_| container_port_matches(c, target, &p.protocol);
                pod.ports.iter().find(same).map(|c| c.port)
            }),
        };
        let backend = move |port, ip| Backend {
            ip,
            port,
            protocol: p.protocol.clone(),
            port_name: p.name.clone(),
            ready: body.ready,
            pod: Some(pod.name.clone()),
            node: pod.node.clone(),
        };
        let ips = ips.clone();
        port.into_iter().flat_map(move |port| ips.clone().into_iter().map(move |ip| backend(port, ip)))
    })
}

fn container_port_matches(port: &ContainerPort, name: &str, protocol: &str) -> bool {
    port.name.as_deref() == Some(name) && port.protocol == protocol
}
