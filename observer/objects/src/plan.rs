//! Plans of Terraform and OpenTofu, as `show -json` prints them.
//!
//! Format: <https://developer.hashicorp.com/terraform/internals/json-format>.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arcstr::ArcStr;
use flow_policy::audit::{Change, Place, Removed};
use serde_json::{Map, Value, json};

use crate::manifests::{self, Manifests};
use crate::proposal;

/// Stands for a value that only applying the plan tells. No selector, address or port can be written so, which
/// makes a policy with it a broken one.
const UNKNOWN: &str = "(known after apply)";

/// Kinds without namespace, of those that matter.
const CLUSTER_WIDE: [&str; 5] =
    ["Namespace", "Node", "ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy"];

/// Why a plan can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Rather the plan file itself.
    #[error("it is not JSON: {0}; use the output of `tofu show -json PLAN`, not the plan itself")]
    NotJson(serde_json::Error),
    /// Some other JSON.
    #[error("it has neither resource_changes nor planned_values; use the output of `tofu show -json PLAN`")]
    NotAPlan,
}

/// What applying the plan would change in the cluster.
///
/// # Errors
/// When it is not JSON, or no plan.
pub fn change(json: &[u8]) -> Result<Change, PlanError> {
    let plan: Value = serde_json::from_slice(json).map_err(PlanError::NotJson)?;
    let mut out = Collected::default();
    if let Some(changes) = plan["resource_changes"].as_array() {
        changes.iter().for_each(|resource| out.change(resource));
    } else {
        let values = [&plan["planned_values"], &plan["values"]];
        let root = values.into_iter().find(|v| v.is_object()).ok_or(PlanError::NotAPlan)?;
        out.module(&root["root_module"]);
    }
    Ok(out.finish())
}

#[derive(Default)]
struct Collected {
    objects: Vec<(manifests::Place, Value)>,
    /// Address and text of documents that a provider takes as they are.
    texts: Vec<(String, String)>,
    change: Change,
    /// Types that hold policies and that are not read, counted.
    unread: BTreeMap<String, usize>,
}

impl Collected {
    /// One of `resource_changes`.
    fn change(&mut self, resource: &Value) {
        let change = &resource["change"];
        let does = |wanted: &str| {
            let actions = change["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
            actions.iter().any(|action| action == wanted)
        };
        if resource["mode"] == "data" || does("forget") {
            return;
        }
        let address = address(resource);
        let before = manifest(resource, &change["before"], &Value::Null);
        let stays = !does("delete") || does("create");
        let first = self.objects.len();
        if stays {
            self.take(resource, &change["after"], &change["after_unknown"]);
        }
        let after = self.objects.get(first).and_then(|(_, object)| id(object));
        if let Some((kind, namespace, name)) =
            before.as_ref().and_then(id).filter(|id| after.as_ref() != Some(id))
        {
            let place = Place::Resource(address.into());
            self.change.removed.push(Removed { kind, namespace, name, place });
        }
    }

    /// The resources of a module and of those below it: a plan of another shape, or a state.
    fn module(&mut self, module: &Value) {
        for resource in module["resources"].as_array().into_iter().flatten() {
            if resource["mode"] != "data" {
                self.take(resource, &resource["values"], &Value::Null);
            }
        }
        for child in module["child_modules"].as_array().into_iter().flatten() {
            self.module(child);
        }
    }

    fn take(&mut self, resource: &Value, values: &Value, unknown: &Value) {
        let address = address(resource);
        let kind = resource["type"].as_str().unwrap_or_default();
        match kind {
            "kubectl_manifest" => match values["yaml_body"].as_str() {
                Some(text) => self.texts.push((address, text.to_owned())),
                None => self.unknown(address),
            },
            "kubernetes_manifest" if unknown["manifest"] == true => self.unknown(address),
            _ if kind.starts_with("kubernetes_network_policy") => {
                *self.unread.entry(kind.to_owned()).or_default() += 1;
            }
            _ => {
                if let Some(object) = manifest(resource, values, unknown) {
                    let place = manifests::Place { file: PathBuf::from(address), line: 0 };
                    self.objects.push((place, object));
                }
            }
        }
    }

    fn unknown(&mut self, address: String) {
        let why = "its manifest is only known when the plan is applied".to_owned();
        self.change.unreadable.push((Place::Resource(address.into()), why));
    }

    fn finish(mut self) -> Change {
        let mut change = self.change;
        change.extend(in_words(manifests::collect(self.objects)));
        for (address, text) in self.texts.drain(..) {
            change.extend(in_words(manifests::parse(&address, text.as_bytes())));
        }
        for (kind, count) in self.unread {
            change
                .notes
                .push(format!("{count} of type {kind} not read: only kubernetes_manifest resources are"));
        }
        change
    }
}

fn in_words(manifests: Manifests) -> Change {
    proposal::change(manifests, &|place| Place::Resource(place.file.to_string_lossy().into()))
}

fn address(resource: &Value) -> String {
    resource["address"].as_str().unwrap_or("a resource without address").to_owned()
}

/// The Kubernetes object of a resource.
fn manifest(resource: &Value, values: &Value, unknown: &Value) -> Option<Value> {
    match resource["type"].as_str()? {
        "kubernetes_manifest" => {
            let mut object = values.get("manifest").filter(|object| object.is_object())?.clone();
            mark(&mut object, &unknown["manifest"]);
            Some(object)
        }
        "kubernetes_namespace" | "kubernetes_namespace_v1" => {
            let mut metadata = values["metadata"].get(0).filter(|metadata| metadata.is_object())?.clone();
            mark(&mut metadata, &unknown["metadata"][0]);
            let keep = |key: &str| metadata.get(key).cloned().unwrap_or_default();
            let metadata =
                json!({"name": keep("name"), "labels": keep("labels"), "annotations": keep("annotations")});
            Some(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
        }
        _ => None,
    }
}

/// Writes [`UNKNOWN`] wherever `unknown` says true.
fn mark(value: &mut Value, unknown: &Value) {
    match unknown {
        Value::Bool(true) => *value = Value::from(UNKNOWN),
        Value::Object(fields) if fields.values().any(holds_true) => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            for (key, unknown) in fields.iter().filter(|(_, unknown)| holds_true(unknown)) {
                mark(&mut value[key.as_str()], unknown);
            }
        }
        Value::Array(items) if items.iter().any(holds_true) => {
            if !value.is_array() {
                *value = Value::Array(Vec::new());
            }
            let Value::Array(values) = value else { return };
            if values.len() < items.len() {
                values.resize(items.len(), Value::Null);
            }
            values.iter_mut().zip(items).for_each(|(value, unknown)| mark(value, unknown));
        }
        _ => {}
    }
}

fn holds_true(unknown: &Value) -> bool {
    match unknown {
        Value::Bool(unknown) => *unknown,
        Value::Object(fields) => fields.values().any(holds_true),
        Value::Array(items) => items.iter().any(holds_true),
        Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}

fn id(object: &Value) -> Option<(ArcStr, ArcStr, ArcStr)> {
    let kind = object["kind"].as_str()?;
    let metadata = &object["metadata"];
    let namespace = match CLUSTER_WIDE.contains(&kind) {
        true => "",
        false => {
            metadata["namespace"].as_str().filter(|namespace| !namespace.is_empty()).unwrap_or("default")
        }
    };
    Some((kind.into(), namespace.into(), metadata["name"].as_str()?.into()))
}
