//! Pod templates of workloads.

use arcstr::ArcStr;
use flow_model::inventory::Labels;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::convert;
use crate::manifests::content::Template;
use crate::object::ObjectId;
use crate::values::{controller, labels, typed};

/// Returns the template of a workload; `None` for a kind that makes no pods.
pub(super) fn read(id: &ObjectId, value: &Value) -> Result<Option<Template>, String> {
    let Some(path) = convert::template_path(&id.kind) else { return Ok(None) };
    let pods = value.pointer(path).unwrap_or(&Value::Null);
    let path = path.trim_start_matches('/').replace('/', ".");
    let at = |field: &str, e: String| match path.is_empty() {
        true => format!("{field}.{e}"),
        false => format!("{path}.{field}.{e}"),
    };
    let own: ObjectMeta = optional(&value["metadata"]).map_err(|e| format!("metadata.{e}"))?;
    let meta: ObjectMeta = optional(&pods["metadata"]).map_err(|e| at("metadata", e))?;
    let spec: core::PodSpec = optional(&pods["spec"]).map_err(|e| at("spec", e))?;
    let controlled = controller(&own).is_some();
    let mut annotations: Labels = labels(own.annotations);
    annotations.extend(labels(meta.annotations));
    Ok(Some(Template {
        namespace: id.object.namespace.clone(),
        kind: id.kind.clone(),
        name: id.object.name.clone(),
        labels: labels(meta.labels),
        annotations,
        // A number that is no port is noted where the pod itself is read, or the API refuses it.
        ports: convert::ports(&spec, &mut Vec::new()),
        texts: texts(&spec),
        host_network: spec.host_network == Some(true),
        service_account: spec
            .service_account_name
            .filter(|name| !name.is_empty())
            .map_or(arcstr::literal!("default"), ArcStr::from),
        controlled,
    }))
}

/// Is true for a kind that makes pods.
pub(super) fn is_workload(kind: &str) -> bool {
    convert::template_path(kind).is_some()
}

fn optional<T: Default + serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    match value {
        Value::Null => Ok(T::default()),
        value => typed(value.clone()),
    }
}

fn texts(spec: &core::PodSpec) -> Vec<ArcStr> {
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let texts = containers.flat_map(|container| {
        let env = container.env.iter().flatten().filter_map(|env| env.value.as_deref());
        let run = container.command.iter().chain(&container.args).flatten();
        env.chain(run.map(String::as_str))
    });
    texts.filter(|text| !text.is_empty()).map(ArcStr::from).collect()
}
