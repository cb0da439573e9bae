//! `k8s_openapi` types to ours. Nothing here fails: a value that makes no sense is noted and left out.

mod node;
mod pod;
mod service;
mod vips;

use std::collections::BTreeMap;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::inventory::{Labels, Workload};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::names::shared;
use crate::policy::shown;

pub(super) use node::node;
pub(super) use pod::{pod, ports};
pub(super) use service::{endpoints, service, slice};

/// The label that the API server sets on every namespace, whatever its author wrote.
pub(super) const NAME_LABEL: ArcStr = arcstr::literal!("kubernetes.io/metadata.name");

pub(super) fn labels(labels: Option<BTreeMap<String, String>>) -> Labels {
    labels.unwrap_or_default().into_iter().map(|(k, v)| (shared(&k), shared(&v))).collect()
}

/// The values of a map that are text.
pub(super) fn texts(map: &Value) -> Labels {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(k, v)| Some((k.as_str().into(), v.as_str()?.into()))).collect()
}

/// The owner that controls the object.
pub(super) fn controller(meta: &ObjectMeta) -> Option<Workload> {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    Some(Workload { kind: shared(&owner.kind), name: shared(&owner.name) })
}

/// Parses addresses, without repeats; IPv4 in IPv6 clothes becomes IPv4.
fn ips<'a>(what: &str, texts: impl IntoIterator<Item = &'a str>, notes: &mut Vec<String>) -> Vec<IpAddr> {
    let mut out = Vec::new();
    for text in texts.into_iter().filter(|text| !text.is_empty()) {
        match text.parse::<IpAddr>() {
            Ok(ip) if out.contains(&ip.to_canonical()) => {}
            Ok(ip) => out.push(ip.to_canonical()),
            Err(_) => notes.push(format!("{what} {} is not an IP address", shown(text))),
        }
    }
    out
}

fn port(what: &str, number: i32, notes: &mut Vec<String>) -> Option<u16> {
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    if port.is_none() {
        notes.push(format!("{what} {number} is not a port"));
    }
    port
}

fn protocol(protocol: Option<String>) -> ArcStr {
    protocol.map_or(arcstr::literal!("TCP"), |name| shared(&name))
}
