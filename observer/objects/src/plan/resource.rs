//! Resources of Terraform's providers to Kubernetes objects.

use serde_json::{Value, json};

use crate::document;
use crate::kinds::Kind;
use crate::plan::network_policy;
use crate::plan::unknown::{self, mark};

/// The Kubernetes objects of a resource.
#[derive(Debug)]
pub(super) enum Content {
    Objects(Vec<Value>),
    /// They can't be read, for this reason.
    Unknown(String),
}

impl Content {
    /// Returns the objects that are known.
    pub(super) fn objects(self) -> Vec<Value> {
        match self {
            Self::Objects(objects) => objects,
            Self::Unknown(_) => Vec::new(),
        }
    }

    fn after_apply() -> Self {
        Self::Unknown("its manifest is only known when the plan is applied".to_owned())
    }
}

/// Returns why the objects of a resource are never in a plan; `None` for all others.
pub(super) fn unjudged(resource: &Value) -> Option<&'static str> {
    match resource["type"].as_str()? {
        "helm_release" | "helmfile_release" | "helmfile_release_set" | "rancher2_app_v2" => {
            Some("a chart's objects are not in the plan; pipe `helm template` into --manifests -")
        }
        "kustomization_resource" => {
            Some("objects of kustomizations aren't read here; pipe `kubectl kustomize` into --manifests -")
        }
        "argocd_application" | "argocd_application_set" | "flux_bootstrap_git" => {
            Some("it makes other objects, which are not in the plan")
        }
        "kubernetes_labels" => Some("it sets labels of other objects, by which policies may select"),
        "kubernetes_network_policy" | "kubernetes_network_policy_v1" => None,
        "k8s_manifest" => Some("resources of this type aren't read"),
        kind if kind.contains("network_policy") && kind.contains("k8s") => {
            Some("resources of this type aren't read")
        }
        kind if kind.starts_with("kubernetes_network_policy") => Some("resources of this type aren't read"),
        _ => None,
    }
}

/// Is true for the provider's own form of a workload or a Service. The labels of its pods, or what it selects, aren't read.
pub(super) fn is_workload(resource: &Value) -> bool {
    let kind = resource["type"].as_str().unwrap_or_default();
    let kind = ["_v1", "_v2beta2", "_v2"].iter().find_map(|end| kind.strip_suffix(end)).unwrap_or(kind);
    let Some(kind) = kind.strip_prefix("kubernetes_") else { return false };
    [
        "deployment",
        "stateful_set",
        "daemonset",
        "daemon_set",
        "pod",
        "job",
        "cron_job",
        "replication_controller",
        "service",
    ]
    .contains(&kind)
}

/// Returns the objects of a resource with these values. Values that are unknown are marked.
pub(super) fn content(resource: &Value, values: &Value, unknown: &Value) -> Content {
    let marked = || {
        let mut values = values.clone();
        mark(&mut values, unknown);
        values
    };
    match resource["type"].as_str().unwrap_or_default() {
        "kubernetes_manifest" => manifest(values, unknown),
        "kubectl_manifest" => yaml(values, unknown),
        "kubernetes_network_policy" | "kubernetes_network_policy_v1" => {
            known(network_policy::object(&marked()))
        }
        "kubernetes_namespace" | "kubernetes_namespace_v1" => known(namespace(&marked())),
        _ => Content::Objects(Vec::new()),
    }
}

fn known(object: Option<Value>) -> Content {
    object.map_or_else(Content::after_apply, |object| Content::Objects(vec![object]))
}

fn manifest(values: &Value, unknown: &Value) -> Content {
    let is_unknown = *unknown == true || unknown["manifest"] == true;
    known(values.get("manifest").filter(|object| object.is_object() && !is_unknown).map(|object| {
        let mut object = object.clone();
        mark(&mut object, &unknown["manifest"]);
        object
    }))
}

/// Reads the documents of `yaml_body`, which the provider puts into the namespace of `override_namespace`.
fn yaml(values: &Value, unknown: &Value) -> Content {
    let is_unknown = *unknown == true || unknown["yaml_body"] == true;
    let Some(text) = values["yaml_body"].as_str().filter(|_| !is_unknown) else {
        return Content::after_apply();
    };
    let mut objects = Vec::new();
    for document in document::parse(text.as_bytes()) {
        match document {
            Ok(document) if document.repeated.is_empty() => objects.push(document.value),
            Ok(document) => {
                let twice: Vec<_> = document.repeated.iter().map(|repeated| repeated.within(0)).collect();
                return Content::Unknown(format!("yaml_body: {}", twice.join("; ")));
            }
            Err(broken) => {
                return Content::Unknown(format!("yaml_body, line {}: {}", broken.line, broken.message));
            }
        }
    }
    let namespace = match (unknown["override_namespace"] == true, values["override_namespace"].as_str()) {
        (true, _) => Some(unknown::UNKNOWN),
        (false, namespace) => namespace.filter(|namespace| !namespace.is_empty()),
    };
    if let Some(namespace) = namespace {
        for object in &mut objects {
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("namespace".to_owned(), namespace.into());
            }
        }
    }
    Content::Objects(objects)
}

fn namespace(values: &Value) -> Option<Value> {
    let metadata = values["metadata"].get(0).filter(|metadata| metadata.is_object())?;
    let keep = |key: &str| metadata.get(key).cloned().unwrap_or_default();
    let metadata =
        json!({"name": keep("name"), "labels": keep("labels"), "annotations": keep("annotations")});
    let kind = Kind::Namespace;
    Some(json!({"apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata}))
}
