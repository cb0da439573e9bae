//! Services as kube-proxy's iptables mode makes them: DNAT in `KUBE-SERVICES`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Result;

use crate::node::Node;

/// Makes the empty chain, reached from outside and from the node itself.
pub(crate) fn prepare(node: &Node) -> Result<()> {
    for family in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
        node.iptables(family, "-t nat -N KUBE-SERVICES")?;
        node.iptables(family, "-t nat -A PREROUTING -j KUBE-SERVICES")?;
        node.iptables(family, "-t nat -A OUTPUT -j KUBE-SERVICES")?;
    }
    Ok(())
}

/// Sends what is addressed to `front` on to `backend`. `front` is a ClusterIP, an external IP, or the node's own
/// address and a node port.
///
/// # Errors
/// Fails when iptables fails.
pub fn forward(node: &Node, front: SocketAddr, backend: SocketAddr) -> Result<()> {
    node.iptables(front.ip(), &rule("-A", front, backend)).map(drop)
}

/// Removes a [`forward`].
///
/// # Errors
/// Fails when there is no such rule.
pub fn remove(node: &Node, front: SocketAddr, backend: SocketAddr) -> Result<()> {
    node.iptables(front.ip(), &rule("-D", front, backend)).map(drop)
}

/// Refuses connections to `front`, as kube-proxy does while a Service has no backend.
///
/// # Errors
/// Fails when iptables fails.
pub fn refuse(node: &Node, front: SocketAddr) -> Result<()> {
    let icmp = if front.is_ipv4() { "icmp-port-unreachable" } else { "icmp6-port-unreachable" };
    let (ip, port) = (front.ip(), front.port());
    for chain in ["FORWARD", "OUTPUT"] {
        node.iptables(
            ip,
            &format!(
                "-I {chain} -m conntrack --ctstate NEW -d {ip} -p tcp --dport {port} -j REJECT --reject-with {icmp}"
            ),
        )?;
    }
    Ok(())
}

fn rule(action: &str, front: SocketAddr, backend: SocketAddr) -> String {
    format!(
        "-t nat {action} KUBE-SERVICES -d {} -p tcp --dport {} -j DNAT --to-destination {backend}",
        front.ip(),
        front.port()
    )
}
