//! The pods that workloads would make.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Pod, Workload};
use flow_model::object_ref::ObjectRef;
use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

use crate::convert::pod::ports;
use crate::convert::role::{Role, role};
use crate::values::{controller, labels, metadata, typed};

/// A workload by the pods that it would make.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TemplateBody {
    /// A pod of its template, without a node and without addresses.
    pub(crate) pod: Arc<Pod>,
    /// What its pods do for the cluster's network.
    pub(crate) role: Option<Role>,
    /// Another object made the workload.
    pub(crate) controlled: bool,
}

/// Reads a workload; `None` for a kind that makes no pods, and for one without a template.
///
/// # Errors
/// Fails with the name of the field that can't be read.
pub(crate) fn template(
    kind: &str,
    key: &ObjectRef,
    value: &mut Value,
) -> Result<Option<TemplateBody>, String> {
    let Some(path) = template_path(kind) else { return Ok(None) };
    let controlled = controller(&metadata(value)?).is_some();
    let Some(pods) = value.pointer_mut(path).map(Value::take) else { return Ok(None) };
    let pods: core::PodTemplateSpec = typed(pods)?;
    let spec = pods.spec.unwrap_or_default();
    let labels = labels(pods.metadata.unwrap_or_default().labels);
    let role = role(&labels, &spec);
    let pod = Pod {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        labels,
        host_network: spec.host_network == Some(true),
        workload: Workload { kind: ArcStr::from(kind), name: key.name.clone() },
        ports: ports(&spec, &mut Vec::new()),
        ..Pod::default()
    };
    Ok(Some(TemplateBody { pod: pod.into(), role, controlled }))
}

/// Returns the JSON pointer of the pods' description in a workload; `None` for a kind that makes no pods.
pub(crate) fn template_path(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" => Some(""),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => Some("/spec/template"),
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}
