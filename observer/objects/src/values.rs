//! Readers of single fields, and of what many kinds have in common.
//!
//! A value that makes no sense is noted and left out, so that the rest of its object can be used.

use std::collections::BTreeMap;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::inventory::{Labels, Workload};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::names::shared;
use crate::text::shown;

/// The label that the API server sets on every namespace, whatever its author wrote.
pub(crate) const NAME_LABEL: ArcStr = arcstr::literal!("kubernetes.io/metadata.name");

/// Parses a whole object. An error names the field.
pub(crate) fn typed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|e| e.to_string())
}

/// Takes the metadata out of an object and parses it.
pub(crate) fn metadata(value: &mut Value) -> Result<ObjectMeta, String> {
    typed(value["metadata"].take()).map_err(|e| format!("metadata.{e}"))
}

/// Returns labels with one copy of each text.
pub(crate) fn labels(labels: Option<BTreeMap<String, String>>) -> Labels {
    labels.unwrap_or_default().into_iter().map(|(k, v)| (shared(&k), shared(&v))).collect()
}

/// Returns the values of a map that are text.
pub(crate) fn texts(map: &Value) -> Labels {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(k, v)| Some((k.as_str().into(), v.as_str()?.into()))).collect()
}

/// Returns the owner that controls the object.
pub(crate) fn controller(meta: &ObjectMeta) -> Option<Workload> {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true))?;
    Some(Workload { kind: shared(&owner.kind), name: shared(&owner.name) })
}

/// Parses addresses, each once. An IPv4-mapped IPv6 address becomes IPv4.
pub(crate) fn ips<'a>(
    what: &str,
    texts: impl IntoIterator<Item = &'a str>,
    notes: &mut Vec<String>,
) -> Vec<IpAddr> {
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

/// Returns a number as a port, which 0 is not.
pub(crate) fn port(what: &str, number: i32, notes: &mut Vec<String>) -> Option<u16> {
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    if port.is_none() {
        notes.push(format!("{what} {number} is not a port"));
    }
    port
}

/// Returns the protocol of a port; TCP where none is named.
pub(crate) fn protocol(protocol: Option<String>) -> ArcStr {
    protocol.map_or(arcstr::literal!("TCP"), |name| shared(&name))
}
