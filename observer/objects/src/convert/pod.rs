//! Pods: addresses, age, ports and the workload.

use flow_model::inventory::{ContainerPort, Labels, Pod, Workload};
use k8s_openapi::api::core::v1 as core;

use crate::convert::{controller, ips, labels, port, protocol};
use crate::names::shared;
use crate::object::PodBody;
use flow_model::object_ref::ObjectRef;

pub(crate) fn pod(key: &ObjectRef, pod: core::Pod, notes: &mut Vec<String>) -> PodBody {
    let owner = controller(&pod.metadata);
    let spec = pod.spec.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let meta = pod.metadata;
    let finished = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let deleting = meta.deletion_timestamp.is_some();
    let ready = !finished && !deleting && is_ready(&status);
    let labels = labels(meta.labels);
    let start = status.start_time.as_ref().or(meta.creation_timestamp.as_ref());
    let pod = Pod {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: meta.uid.unwrap_or_default().into(),
        workload: workload(key, owner.as_ref(), &labels),
        labels,
        node: spec.node_name.as_deref().filter(|name| !name.is_empty()).map(shared),
        ips: if finished { Vec::new() } else { addresses(&status, notes) },
        host_network: spec.host_network == Some(true),
        finished,
        deleting,
        start: start.map(|time| time.0),
        ports: ports(&spec, notes),
    };
    PodBody { pod: pod.into(), owner, ready }
}

fn addresses(status: &core::PodStatus, notes: &mut Vec<String>) -> Vec<std::net::IpAddr> {
    let first = status.pod_ip.as_deref();
    let all = status.pod_ips.iter().flatten().map(|pod_ip| &*pod_ip.ip);
    ips("status.podIPs", first.into_iter().chain(all), notes)
}

/// Without conditions, as in hand-written objects, a pod that isn't pending counts as ready.
fn is_ready(status: &core::PodStatus) -> bool {
    match status.conditions.iter().flatten().find(|c| c.type_ == "Ready") {
        Some(condition) => condition.status == "True",
        None => status.phase.as_deref() != Some("Pending"),
    }
}

/// Ports of ordinary containers and of sidecars (init containers that go on running).
pub(crate) fn ports(spec: &core::PodSpec, notes: &mut Vec<String>) -> Vec<ContainerPort> {
    let sidecars =
        spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let containers = spec.containers.iter().chain(sidecars);
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|p| {
            let name = p.name.as_deref().map(shared);
            let port = port("containerPort", p.container_port, notes)?;
            Some(ContainerPort { name, protocol: protocol(p.protocol.clone()), port })
        })
        .collect()
}

/// What the pod alone tells of its workload; the index looks further if it has the owner.
fn workload(key: &ObjectRef, owner: Option<&Workload>, labels: &Labels) -> Workload {
    let bare = || Workload { kind: arcstr::literal!("Pod"), name: key.name.clone() };
    match owner {
        None => bare(),
        // A static pod is "controlled" by its node, which says nothing about what it is.
        Some(owner) if owner.kind == "Node" => bare(),
        Some(owner) if owner.kind == "ReplicaSet" => {
            deployment(owner, labels).unwrap_or_else(|| owner.clone())
        }
        Some(owner) => owner.clone(),
    }
}

/// A Deployment names its ReplicaSets `<deployment>-<pod-template-hash>`.
fn deployment(replica_set: &Workload, labels: &Labels) -> Option<Workload> {
    let name = replica_set.name.strip_suffix(&**labels.get("pod-template-hash")?)?.strip_suffix('-')?;
    (!name.is_empty()).then(|| Workload { kind: arcstr::literal!("Deployment"), name: shared(name) })
}
