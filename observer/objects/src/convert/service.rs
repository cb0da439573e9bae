//! Services and what stands behind them.

use arcstr::ArcStr;
use flow_model::inventory::{Backend, Service, ServicePort};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::convert::vips::vips;
use crate::convert::{controller, ips, labels, port, protocol};
use crate::names::shared;
use crate::object::{ServiceBody, SliceBody};
use flow_model::object_ref::ObjectRef;

pub(crate) fn service(key: &ObjectRef, service: core::Service, notes: &mut Vec<String>) -> ServiceBody {
    let spec = service.spec.unwrap_or_default();
    let cluster =
        spec.cluster_ip.as_deref().into_iter().chain(spec.cluster_ips.iter().flatten().map(|ip| &**ip));
    let cluster_ips = ips("clusterIP", cluster.filter(|ip| *ip != "None"), notes);
    let balancer = service.status.and_then(|s| s.load_balancer).and_then(|b| b.ingress).unwrap_or_default();
    let external = spec.external_ips.iter().flatten().map(|ip| &**ip);
    let external = external.chain(spec.load_balancer_ip.as_deref());
    let ingress = || balancer.iter().filter_map(|ingress| ingress.ip.as_deref());
    let external_ips = ips("external IP", external.chain(ingress()), notes);
    let service = Service {
        vips: vips(&external_ips, service.metadata.annotations.as_ref(), notes),
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
    // What is wrong with these is noted above.
    ServiceBody { service: service.into(), ingress: ips("ingress", ingress(), &mut Vec::new()) }
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

pub(crate) fn slice(slice: &discovery::EndpointSlice, notes: &mut Vec<String>) -> SliceBody {
    let label = slice.metadata.labels.as_ref().and_then(|l| l.get("kubernetes.io/service-name"));
    let owner =
        || controller(&slice.metadata).filter(|owner| owner.kind == "Service").map(|owner| owner.name);
    let service = label.map(|name| shared(name)).or_else(owner);
    let mut backends = Vec::new();
    if slice.address_type != "FQDN" {
        for endpoint in slice.endpoints.iter().flatten() {
            let addresses = ips("endpoint address", endpoint.addresses.iter().map(|a| &**a), notes);
            let ready = endpoint.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true);
            for p in slice.ports.iter().flatten() {
                let Some(port) = p.port.and_then(|number| port("endpoint port", number, notes)) else {
                    continue;
                };
                backends.extend(addresses.iter().map(|ip| Backend {
                    ip: *ip,
                    port,
                    protocol: protocol(p.protocol.clone()),
                    port_name: name(p.name.as_deref()),
                    ready,
                    pod: target(endpoint.target_ref.as_ref()),
                }));
            }
        }
    }
    SliceBody { service, backends }
}

pub(crate) fn endpoints(endpoints: core::Endpoints, notes: &mut Vec<String>) -> Vec<Backend> {
    let mut backends = Vec::new();
    for subset in endpoints.subsets.unwrap_or_default() {
        let ready = subset.addresses.iter().flatten().map(|a| (a, true));
        let not_ready = subset.not_ready_addresses.iter().flatten().map(|a| (a, false));
        for (address, ready) in ready.chain(not_ready) {
            let Some(ip) = ips("endpoint address", [&*address.ip], notes).pop() else { continue };
            for p in subset.ports.iter().flatten() {
                let Some(port) = port("endpoint port", p.port, notes) else { continue };
                backends.push(Backend {
                    ip,
                    port,
                    protocol: protocol(p.protocol.clone()),
                    port_name: name(p.name.as_deref()),
                    ready,
                    pod: target(address.target_ref.as_ref()),
                });
            }
        }
    }
    backends
}

/// The only port of a Service may go without a name; slices then write "".
fn name(name: Option<&str>) -> Option<ArcStr> {
    name.filter(|name| !name.is_empty()).map(shared)
}

fn target(target: Option<&core::ObjectReference>) -> Option<ArcStr> {
    let target = target.filter(|target| target.kind.as_deref() == Some("Pod"))?;
    target.name.as_deref().map(shared)
}
