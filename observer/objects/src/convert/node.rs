//! Nodes: their addresses, the pod networks that they hand out, and the way to other nodes' pods.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flow_model::inventory::Node;
use flow_model::network::Route;
use flow_model::object_ref::ObjectRef;
use k8s_openapi::api::core::v1 as core;

use crate::names::shared;
use crate::values::{ips, labels};

/// The annotation in which flannel states how it brings packets to other nodes.
const FLANNEL: &str = "flannel.alpha.coreos.com/backend-type";

/// The annotations in which flannel states where other nodes' flannel sends its packets.
const PUBLIC: [&str; 2] = ["flannel.alpha.coreos.com/public-ip", "flannel.alpha.coreos.com/public-ipv6"];

/// Reads a node.
pub(crate) fn node(key: &ObjectRef, node: core::Node, notes: &mut Vec<String>) -> Node {
    let spec = node.spec.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let addresses = status.addresses.unwrap_or_default();
    let is_ip = |a: &&core::NodeAddress| matches!(&*a.type_, "InternalIP" | "ExternalIP");
    let addresses = addresses.iter().filter(is_ip).map(|a| &*a.address);
    let cidrs = spec.pod_cidrs.unwrap_or_else(|| spec.pod_cidr.into_iter().collect());
    Node {
        name: key.name.clone(),
        flannel_ips: node.metadata.annotations.as_ref().map_or_else(Vec::new, |all| public(all, notes)),
        route: node.metadata.annotations.as_ref().map_or(Route::Unknown, route),
        kubelet: status.node_info.map(|info| shared(&info.kubelet_version)).filter(|text| !text.is_empty()),
        labels: labels(node.metadata.labels),
        ips: ips("status.addresses", addresses, notes),
        pod_cidrs: cidrs.into_iter().map(Into::into).collect(),
    }
}

fn public(annotations: &BTreeMap<String, String>, notes: &mut Vec<String>) -> Vec<IpAddr> {
    let texts = PUBLIC.iter().filter_map(|name| annotations.get(*name).map(String::as_str));
    ips("flannel's public-ip", texts, notes)
}

/// Returns the way that flannel's annotation names. Backends that are not listed encrypt or use a network of their own.
fn route(annotations: &BTreeMap<String, String>) -> Route {
    match annotations.get(FLANNEL).map(|backend| backend.to_ascii_lowercase()).as_deref() {
        Some("vxlan") => Route::Tunnel,
        Some("host-gw") => Route::Direct,
        _ => Route::Unknown,
    }
}
