//! Nodes: their addresses and the pod networks that they hand out.

use flow_model::inventory::Node;
use flow_model::object_ref::ObjectRef;
use k8s_openapi::api::core::v1 as core;

use crate::values::{ips, labels};

/// Reads a node.
pub(crate) fn node(key: &ObjectRef, node: core::Node, notes: &mut Vec<String>) -> Node {
    let spec = node.spec.unwrap_or_default();
    let addresses = node.status.and_then(|status| status.addresses).unwrap_or_default();
    let is_ip = |a: &&core::NodeAddress| matches!(&*a.type_, "InternalIP" | "ExternalIP");
    let addresses = addresses.iter().filter(is_ip).map(|a| &*a.address);
    let cidrs = spec.pod_cidrs.unwrap_or_else(|| spec.pod_cidr.into_iter().collect());
    Node {
        name: key.name.clone(),
        labels: labels(node.metadata.labels),
        ips: ips("status.addresses", addresses, notes),
        pod_cidrs: cidrs.into_iter().map(Into::into).collect(),
    }
}
