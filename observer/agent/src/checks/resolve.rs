//! The address of a target, by the newest inventory.

use std::net::SocketAddr;

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Service};

use crate::checks::spec::Target;

/// Returns the address to connect to.
///
/// # Errors
/// Fails when the Service, its port or its address is missing; the text names which.
pub(super) fn address(target: &Target, inventory: &Inventory) -> Result<SocketAddr, ArcStr> {
    let (namespace, name, port) = match target {
        Target::Address(address) => return Ok(*address),
        Target::Service { namespace, name, port } => (namespace, name, *port),
    };
    let of_name = |s: &&Service| s.namespace == *namespace && s.name == *name;
    let Some(service) = inventory.services.iter().map(AsRef::as_ref).find(of_name) else {
        return Err(arcstr::format!("there is no Service {namespace}/{name}"));
    };
    if !service.ports.iter().any(|p| p.protocol == "TCP" && p.port == port) {
        return Err(arcstr::format!("Service {namespace}/{name} has no TCP port {port}{}", others(service)));
    }
    // The address that pods use comes first. A Service that has only a load balancer's address is checked there.
    let addresses = service.cluster_ips.iter().chain(&service.vips).chain(&service.external_ips);
    let first = addresses.into_iter().next().ok_or_else(|| {
        arcstr::format!("Service {namespace}/{name} has neither a ClusterIP nor a load balancer's address")
    })?;
    Ok(SocketAddr::new(*first, port))
}

fn others(service: &Service) -> String {
    let tcp: Vec<_> =
        service.ports.iter().filter(|p| p.protocol == "TCP").map(|p| p.port.to_string()).collect();
    if tcp.is_empty() { String::new() } else { format!("; it has {}", tcp.join(", ")) }
}

#[cfg(test)]
mod tests;
