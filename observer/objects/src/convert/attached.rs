//! The addresses that a pod has in further networks, as Multus states them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use crate::values::ips;

/// The annotation in which Multus states all interfaces of a pod, and the name that it had before.
const STATUS: [&str; 2] = ["k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks-status"];

/// Addresses kept of a pod. A longer list is a mistake or an attack.
const MAX: usize = 64;

/// An interface of the pod. The standard has further fields.
#[derive(Deserialize)]
struct Interface {
    ips: Option<Vec<String>>,
    /// Is true for the cluster's own network, whose addresses are in the pod's status.
    default: Option<bool>,
}

/// Returns the addresses that are not those of the pod's status.
pub(super) fn attached(
    annotations: Option<&BTreeMap<String, String>>,
    own: &[IpAddr],
    notes: &mut Vec<String>,
) -> Vec<IpAddr> {
    let found = STATUS.iter().find_map(|name| Some((*name, annotations?.get(*name)?)));
    let Some((name, text)) = found.filter(|(_, text)| !text.trim().is_empty()) else { return Vec::new() };
    let interfaces: Vec<Interface> = match serde_json::from_str(text) {
        Ok(interfaces) => interfaces,
        Err(error) => {
            notes.push(format!("{name} can't be read: {error}"));
            return Vec::new();
        }
    };
    let further = interfaces.iter().filter(|interface| interface.default != Some(true));
    let texts = further.flat_map(|interface| interface.ips.iter().flatten().map(String::as_str));
    let mut found = ips(name, texts.take(MAX), notes);
    found.retain(|ip| !own.contains(ip) && !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast());
    found
}
