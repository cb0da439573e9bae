//! MetalLB's `ServiceL2Status`.

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use flow_model::vip::ClaimSource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use crate::object::typed;
use crate::policy::shown;
use flow_model::object_ref::ObjectRef;

/// The only version there is; another may mean something else by the same words.
const VERSION: &str = "metallb.io/v1beta1";

#[derive(Deserialize)]
struct L2Status {
    metadata: ObjectMeta,
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    node: Option<String>,
    service_name: Option<String>,
    service_namespace: Option<String>,
}

/// A new object has no status yet: its labels say the same. They don't overrule a status, which is what sticks when
/// MetalLB can't update it.
pub(super) fn read(key: &ObjectRef, value: Value) -> Result<Announcer, String> {
    version(&value)?;
    if !matches!(value["status"], Value::Null | Value::Object(_)) {
        // Derived readers take a list for a structure.
        return Err("status: must be an object".to_owned());
    }
    let object: L2Status = typed(value)?;
    let (status, meta) = (object.status.unwrap_or_default(), object.metadata);
    let labels = meta.labels.unwrap_or_default();
    let either = |status: Option<String>, label: &str| {
        let label = || labels.get(label).filter(|text| !text.is_empty()).cloned();
        status.filter(|text| !text.is_empty()).or_else(label)
    };
    let namespace = either(status.service_namespace, "metallb.io/service-namespace");
    let name = either(status.service_name, "metallb.io/service-name");
    let node = either(status.node, "metallb.io/node");
    Ok(Announcer {
        source: ClaimSource::L2Status,
        kind: arcstr::literal!("ServiceL2Status"),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        service: namespace.zip(name).map(|(namespace, name)| ObjectRef::new(namespace, name)),
        nodes: node.map(ArcStr::from).into_iter().collect(),
        since: meta.creation_timestamp.map(|time| time.0),
        transitions: None,
    })
}

fn version(value: &Value) -> Result<(), String> {
    match value.get("apiVersion").and_then(Value::as_str) {
        Some(VERSION) => Ok(()),
        Some(other) => Err(format!("apiVersion: version {} is not known; {VERSION} is", shown(other))),
        None => Err(format!("apiVersion: is missing; {VERSION} is known")),
    }
}
