//! Services: their addresses and ports.

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::inventory::{Service, ServicePort};
use flow_model::object_ref::ObjectRef;
use ipnet::IpNet;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::convert::vips::vips;
use crate::text::shown;
use crate::values::{ips, labels, port, protocol};

/// A Service without its backends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServiceBody {
    pub(crate) service: Arc<Service>,
    /// The addresses in `status.loadBalancer.ingress`.
    pub(crate) ingress: Vec<IpAddr>,
    /// The lease that its annotation names in place of its own.
    pub(crate) lease: Option<ObjectRef>,
}

/// The annotation in which kube-vip looks for the name of a lease, which several Services may share.
const LEASE: &str = "kube-vip.io/leaseName";

/// Reads a Service.
pub(crate) fn service(key: &ObjectRef, service: core::Service, notes: &mut Vec<String>) -> ServiceBody {
    let spec = service.spec.unwrap_or_default();
    let cluster =
        spec.cluster_ip.as_deref().into_iter().chain(spec.cluster_ips.iter().flatten().map(|ip| &**ip));
    let cluster_ips = ips("clusterIP", cluster.filter(|ip| *ip != "None"), notes);
    let balancer = service.status.and_then(|s| s.load_balancer).and_then(|b| b.ingress).unwrap_or_default();
    let external = spec.external_ips.iter().flatten().map(|ip| &**ip);
    let external = external.chain(spec.load_balancer_ip.as_deref());
    let ingress = || balancer.iter().filter_map(|ingress| ingress.ip.as_deref());
    let mut external_ips = ips("external IP", external.chain(ingress()), notes);
    let proxied = balancer.iter().filter(|ingress| ingress.ip_mode.as_deref() == Some("Proxy"));
    let proxied_ips = ips("ingress", proxied.filter_map(|ingress| ingress.ip.as_deref()), &mut Vec::new());
    let lease = service.metadata.annotations.as_ref().and_then(|all| lease(key, all.get(LEASE)?));
    let vips = vips(&external_ips, service.metadata.annotations.as_ref(), notes);
    external_ips.retain(|ip| !proxied_ips.contains(ip));
    let external_name =
        (spec.type_.as_deref() == Some("ExternalName")).then_some(spec.external_name).flatten();
    let service = Service {
        vips,
        proxied_ips,
        headless: spec.cluster_ip.as_deref() == Some("None"),
        internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
        external_name: external_name.map(Into::into),
        source_ranges: ranges(spec.load_balancer_source_ranges.unwrap_or_default(), notes),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        labels: labels(service.metadata.labels),
        cluster_ips,
        external_ips,
        ports: spec.ports.into_iter().flatten().filter_map(|p| service_port(p, notes)).collect(),
        selector: labels(spec.selector),
        external_local: spec.external_traffic_policy.as_deref() == Some("Local"),
        backends: Vec::new(),
    };
    // Addresses that don't parse were noted above.
    ServiceBody { service: service.into(), ingress: ips("ingress", ingress(), &mut Vec::new()), lease }
}

/// Returns the lease that kube-vip takes for this text: `<name>` in the Service's own namespace, or `<namespace>/<name>`.
/// Empty text names none.
fn lease(key: &ObjectRef, text: &str) -> Option<ObjectRef> {
    let mut parts = text.split('/');
    match (parts.next().filter(|_| !text.is_empty())?, parts.next()) {
        (namespace, Some(name)) => Some(ObjectRef::new(namespace, name)),
        (name, None) => Some(ObjectRef::new(key.namespace.clone(), name)),
    }
}

fn ranges(texts: Vec<String>, notes: &mut Vec<String>) -> Vec<IpNet> {
    let mut range = |text: String| {
        let range = text.trim().parse().ok();
        if range.is_none() {
            notes.push(format!("loadBalancerSourceRanges {} is not a network", shown(&text)));
        }
        range
    };
    texts.into_iter().filter_map(&mut range).collect()
}

fn service_port(p: core::ServicePort, notes: &mut Vec<String>) -> Option<ServicePort> {
    Some(ServicePort {
        port: port("port", p.port, notes)?,
        name: p.name.map(Into::into),
        protocol: protocol(p.protocol),
        node_port: p.node_port.filter(|n| *n != 0).and_then(|n| port("nodePort", n, notes)),
        target_port: p.target_port.map(|target| match target {
            IntOrString::Int(number) => arcstr::format!("{number}"),
            IntOrString::String(name) => name.into(),
        }),
    })
}
