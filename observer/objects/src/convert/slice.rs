//! Backends of Services, from EndpointSlices.

use arcstr::ArcStr;
use flow_model::inventory::Backend;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;

use crate::names::shared;
use crate::values::{controller, ips, port, protocol};

/// All backends of a Service, or some of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SliceBody {
    pub(crate) service: Option<ArcStr>,
    pub(crate) backends: Vec<Backend>,
}

/// Reads an EndpointSlice.
pub(crate) fn slice(slice: &discovery::EndpointSlice, notes: &mut Vec<String>) -> SliceBody {
    let label = slice.metadata.labels.as_ref().and_then(|l| l.get("kubernetes.io/service-name"));
    let owner =
        || controller(&slice.metadata).filter(|owner| owner.kind == "Service").map(|owner| owner.name);
    let service = label.map(|name| shared(name)).or_else(owner);
    let mut backends = Vec::new();
    if slice.address_type != "FQDN" {
        for endpoint in slice.endpoints.iter().flatten() {
            // The API gives no meaning to further addresses, and kube-proxy doesn't read them.
            let addresses = ips("endpoint address", endpoint.addresses.first().map(|a| &**a), notes);
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
                    node: endpoint.node_name.as_deref().map(shared),
                }));
            }
        }
    }
    SliceBody { service, backends }
}

/// Returns the name of a port. The only port of a Service may have none, for which slices write "".
fn name(name: Option<&str>) -> Option<ArcStr> {
    name.filter(|name| !name.is_empty()).map(shared)
}

/// Returns the pod that an address belongs to.
fn target(target: Option<&core::ObjectReference>) -> Option<ArcStr> {
    let target = target.filter(|target| target.kind.as_deref() == Some("Pod"))?;
    target.name.as_deref().map(shared)
}
