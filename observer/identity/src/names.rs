//! Names in the endpoints of records.

use flow_model::inventory::Pod;
use flow_model::record::Endpoint;

use crate::known_service::KnownService;

/// Names the pod and its workload.
pub(super) fn name_pod(endpoint: &mut Endpoint, pod: &Pod) {
    endpoint.namespace = Some(pod.namespace.clone());
    endpoint.pod = Some(pod.name.clone());
    endpoint.workload = Some(pod.workload.name.clone());
    endpoint.workload_kind = Some(pod.workload.kind.clone());
}

/// Names the Service's namespace, and its workload where all its backends belong to one.
pub(super) fn name_service(endpoint: &mut Endpoint, known: &KnownService) {
    endpoint.namespace = Some(known.service.namespace.clone());
    if let Some(workload) = &known.workload {
        endpoint.workload = Some(workload.name.clone());
        endpoint.workload_kind = Some(workload.kind.clone());
    }
}
