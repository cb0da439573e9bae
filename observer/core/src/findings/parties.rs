//! The names that sentences give to the two sides of a flow.

use arcstr::{ArcStr, literal};
use flow_model::record::Endpoint;

/// Returns who an endpoint is, for a sentence.
pub(super) fn who(endpoint: &Endpoint) -> ArcStr {
    match (endpoint.owner(), &endpoint.node) {
        (Some(name), _) => arcstr::format!("{name}"),
        (None, Some(node)) => arcstr::format!("node {node}"),
        (None, None) => arcstr::format!("{}", endpoint.ip),
    }
}

/// Returns who an endpoint is, with a port.
pub(super) fn who_at(endpoint: &Endpoint, port: u16) -> ArcStr {
    match (endpoint.owner(), &endpoint.node) {
        (None, None) => arcstr::format!("{}", std::net::SocketAddr::new(endpoint.ip, port)),
        _ => arcstr::format!("{}:{port}", who(endpoint)),
    }
}

/// Returns whom a client addressed, with the Service where its name adds something.
pub(super) fn whom(endpoint: &Endpoint) -> ArcStr {
    let target = who_at(endpoint, endpoint.port);
    match &endpoint.service {
        Some(service) if endpoint.owner().as_ref() != Some(service) => {
            arcstr::format!("{target} (Service {service})")
        }
        _ => target,
    }
}

/// Returns the Service addressed.
pub(super) fn service(endpoint: &Endpoint) -> ArcStr {
    endpoint.service.as_ref().map_or(literal!("the Service"), |name| arcstr::format!("Service {name}"))
}
