//! Pods: their addresses, age, ports and workloads.

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::inventory::{ContainerPort, HostPort, Labels, Pod, Workload};
use flow_model::object_ref::ObjectRef;
use k8s_openapi::api::core::v1 as core;

use crate::convert::attached::attached;
use crate::convert::probes::probes;
use crate::convert::role::{Role, role};
use crate::names::shared;
use crate::values::{controller, ips, labels, port, protocol};

/// A pod whose workload may have to be looked up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodBody {
    /// The pod, with the workload that is known from the pod alone.
    pub(crate) pod: Arc<Pod>,
    /// The controller that the pod names.
    pub(crate) owner: Option<Workload>,
    /// Is true when Services send it traffic.
    pub(crate) ready: bool,
    /// What it does for the cluster's network.
    pub(crate) role: Option<Role>,
}

/// Reads a pod.
pub(crate) fn pod(key: &ObjectRef, pod: core::Pod, notes: &mut Vec<String>) -> PodBody {
    let owner = controller(&pod.metadata);
    let spec = pod.spec.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let meta = pod.metadata;
    let finished = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let deleting = meta.deletion_timestamp.is_some();
    let ready = !finished && !deleting && is_ready(&status);
    let labels = labels(meta.labels);
    let role = role(&labels, &spec).filter(|_| !finished);
    let ips = if finished { Vec::new() } else { addresses(&status, notes) };
    let host_network = spec.host_network == Some(true);
    let has_more = !finished && !host_network;
    let attached = if has_more { attached(meta.annotations.as_ref(), &ips, notes) } else { Vec::new() };
    let start = status.start_time.as_ref().or(meta.creation_timestamp.as_ref());
    let ports = ports(&spec, notes);
    let pod = Pod {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: meta.uid.unwrap_or_default().into(),
        workload: workload(key, owner.as_ref(), &labels),
        labels,
        node: spec.node_name.as_deref().filter(|name| !name.is_empty()).map(shared),
        ips,
        attached_ips: attached,
        host_ips: host_addresses(&status, notes),
        host_network,
        finished,
        deleting,
        start: start.map(|time| time.0),
        probes: probes(&spec),
        ports,
    };
    PodBody { pod: pod.into(), owner, ready, role }
}

fn addresses(status: &core::PodStatus, notes: &mut Vec<String>) -> Vec<IpAddr> {
    let first = status.pod_ip.as_deref();
    let all = status.pod_ips.iter().flatten().map(|pod_ip| &*pod_ip.ip);
    ips("status.podIPs", first.into_iter().chain(all), notes)
}

fn host_addresses(status: &core::PodStatus, notes: &mut Vec<String>) -> Vec<IpAddr> {
    let first = status.host_ip.as_deref();
    let all = status.host_ips.iter().flatten().map(|host_ip| &*host_ip.ip);
    ips("status.hostIPs", first.into_iter().chain(all), notes)
}

/// A pod without conditions, as in hand-written objects, counts as ready unless it is pending.
fn is_ready(status: &core::PodStatus) -> bool {
    match status.conditions.iter().flatten().find(|c| c.type_ == "Ready") {
        Some(condition) => condition.status == "True",
        None => status.phase.as_deref() != Some("Pending"),
    }
}

/// Returns the ports of ordinary containers and of sidecars, which are init containers that keep running.
pub(crate) fn ports(spec: &core::PodSpec, notes: &mut Vec<String>) -> Vec<ContainerPort> {
    let sidecars =
        spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let ordinary = spec.containers.iter().map(|container| (container, false));
    let containers = ordinary.chain(sidecars.map(|container| (container, true)));
    let ports = containers
        .flat_map(|(container, sidecar)| container.ports.iter().flatten().map(move |port| (port, sidecar)));
    ports
        .filter_map(|(p, sidecar)| {
            let name = p.name.as_deref().map(shared);
            let port = port("containerPort", p.container_port, notes)?;
            let host = host_port(p, notes);
            Some(ContainerPort { name, protocol: protocol(p.protocol.clone()), port, host, sidecar })
        })
        .collect()
}

fn host_port(p: &core::ContainerPort, notes: &mut Vec<String>) -> Option<HostPort> {
    let port = port("hostPort", p.host_port.filter(|port| *port != 0)?, notes)?;
    // The unspecified address stands for every address of the node.
    let ip = ips("hostIP", p.host_ip.as_deref(), notes).into_iter().find(|ip| !ip.is_unspecified());
    Some(HostPort { port, ip })
}

/// Returns the workload as far as the pod alone shows it. The index looks further if it has the owner.
fn workload(key: &ObjectRef, owner: Option<&Workload>, labels: &Labels) -> Workload {
    let bare = || Workload { kind: arcstr::literal!("Pod"), name: key.name.clone() };
    match owner {
        None => bare(),
        // The controller of a static pod is its node, which is no workload.
        Some(owner) if owner.kind == "Node" => bare(),
        Some(owner) if owner.kind == "ReplicaSet" => {
            deployment(owner, labels).unwrap_or_else(|| owner.clone())
        }
        Some(owner) => owner.clone(),
    }
}

/// Returns the Deployment of a ReplicaSet, whose name is `<deployment>-<pod-template-hash>`.
fn deployment(replica_set: &Workload, labels: &Labels) -> Option<Workload> {
    let name = replica_set.name.strip_suffix(&**labels.get("pod-template-hash")?)?.strip_suffix('-')?;
    (!name.is_empty()).then(|| Workload { kind: arcstr::literal!("Deployment"), name: shared(name) })
}
