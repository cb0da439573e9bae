//! The addresses of a Service that load balancers announce.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::values::ips;

/// These annotations ask for addresses; each holds a list with commas.
const ANNOTATIONS: [&str; 3] =
    ["metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs", "kube-vip.io/loadbalancerIPs"];

/// A Service has at most this many addresses. A longer list in an annotation is a mistake or an attack.
const MAX: usize = 256;

/// Returns the addresses of spec and status, then those that annotations ask for and that may not be assigned yet.
pub(super) fn vips(
    external: &[IpAddr],
    annotations: Option<&BTreeMap<String, String>>,
    notes: &mut Vec<String>,
) -> Vec<IpAddr> {
    let mut out: Vec<IpAddr> = external.iter().copied().take(MAX).collect();
    for (name, list) in ANNOTATIONS.iter().filter_map(|name| Some((name, annotations?.get(*name)?))) {
        if list.split(',').nth(MAX).is_some() {
            notes.push(format!("{name} names more than {MAX} addresses: others are left out"));
        }
        for ip in ips(name, list.split(',').take(MAX).map(str::trim), notes) {
            if !out.contains(&ip) {
                out.push(ip);
            }
        }
    }
    out.retain(|ip| announceable(*ip, notes));
    out
}

/// Is true for an address that a host can announce. 0.0.0.0 is none, but no mistake either: it asks kube-vip for an
/// address by DHCP.
fn announceable(ip: IpAddr, notes: &mut Vec<String>) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    let nonsense = ip.is_loopback() || ip.is_multicast() || broadcast;
    if nonsense {
        notes.push(format!("{ip} is no address that can be announced"));
    }
    !nonsense && !ip.is_unspecified()
}
