//! MetalLB's `ServiceL2Status`.

use arcstr::ArcStr;
use flow_model::inventory::Announcer;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use crate::announcers::body::AnnouncerBody;
use crate::kinds::Kind;
use crate::values::typed;

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

/// Reads a status. A new object has none yet, but its labels hold the same. A status has precedence over them, because it is
/// what stays wrong when MetalLB can't update it.
pub(crate) fn read(key: &ObjectRef, value: Value) -> Result<AnnouncerBody, String> {
    Kind::ServiceL2Status.check_version(&value)?;
    if !matches!(value["status"], Value::Null | Value::Object(_)) {
        // Derived readers accept a list as a structure.
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
    let announcer = Announcer {
        source: ClaimSource::L2Status,
        kind: Kind::ServiceL2Status.into(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        service: namespace.zip(name).map(|(namespace, name)| ObjectRef::new(namespace, name)),
        nodes: node.map(ArcStr::from).into_iter().collect(),
        since: meta.creation_timestamp.map(|time| time.0),
        transitions: None,
    };
    Ok(AnnouncerBody::Whole(announcer.into()))
}
