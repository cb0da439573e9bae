//! The probes by which a kubelet connects to a pod.

use flow_model::inventory::{Probe, ProbeKind};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Returns the probes of all containers that connect to a port of the pod. One that names another host isn't to the pod,
/// and one with a port that can't be read is left out.
pub(super) fn probes(spec: &core::PodSpec) -> Vec<Probe> {
    spec.init_containers.iter().flatten().chain(&spec.containers).flat_map(of_container).collect()
}

fn of_container(container: &core::Container) -> impl Iterator<Item = Probe> {
    let probes = [
        (ProbeKind::Liveness, &container.liveness_probe),
        (ProbeKind::Readiness, &container.readiness_probe),
        (ProbeKind::Startup, &container.startup_probe),
    ];
    probes.into_iter().filter_map(|(kind, probe)| {
        Some(Probe { kind, port: port(probe.as_ref()?, container.ports.as_deref().unwrap_or_default())? })
    })
}

fn port(probe: &core::Probe, ports: &[core::ContainerPort]) -> Option<u16> {
    if let Some(grpc) = &probe.grpc {
        return u16::try_from(grpc.port).ok();
    }
    let http = probe.http_get.as_ref().map(|http| (&http.host, &http.port));
    let (host, port) = http.or_else(|| probe.tcp_socket.as_ref().map(|tcp| (&tcp.host, &tcp.port)))?;
    if host.as_ref().is_some_and(|host| !host.is_empty()) {
        return None;
    }
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            ports.iter().find(|port| port.name.as_ref() == Some(name))?.container_port
        }
    };
    u16::try_from(number).ok()
}
