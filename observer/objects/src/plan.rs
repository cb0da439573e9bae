//! Plans of Terraform and OpenTofu, in the form that `show -json` prints.
//!
//! Format: <https://developer.hashicorp.com/terraform/internals/json-format>.

mod unknown;

use std::collections::BTreeMap;
use std::path::PathBuf;

use flow_policy::audit::{Change, Place, Removed};
use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::manifests::{self, Manifests};
use crate::object::ObjectId;
use crate::plan::unknown::mark;
use crate::proposal;

/// The reason why a plan can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The text is no JSON; it may be the plan file itself.
    #[error("it is not JSON: {0}; use the output of `tofu show -json PLAN`, not the plan itself")]
    NotJson(serde_json::Error),
    /// The text is some other JSON.
    #[error("it has neither resource_changes nor planned_values; use the output of `tofu show -json PLAN`")]
    NotAPlan,
}

/// Returns what applying the plan would change in the cluster.
///
/// # Errors
/// Fails when the text is not JSON, or no plan.
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
    /// These are the address and the text of documents that a provider applies unchanged.
    texts: Vec<(String, String)>,
    change: Change,
    /// Counts of resources that hold policies and are not read, by type.
    unread: BTreeMap<String, usize>,
}

impl Collected {
    /// Takes one of `resource_changes`.
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
        let id = |object: &Value| ObjectId::of(object).ok();
        let after = self.objects.get(first).and_then(|(_, object)| id(object));
        if let Some(ObjectId { kind, object }) =
            before.as_ref().and_then(id).filter(|id| after.as_ref() != Some(id))
        {
            self.change.removed.push(Removed { kind, object, place: Place::Resource(address.into()) });
        }
    }

    /// Takes the resources of a module and of those below it, which a plan of another form or a state has.
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
        change.extend(audited(manifests::collect(self.objects)));
        for (address, text) in self.texts.drain(..) {
            change.extend(audited(manifests::parse(&address, text.as_bytes())));
        }
        for (kind, count) in self.unread {
            change
                .notes
                .push(format!("{count} of type {kind} not read: only kubernetes_manifest resources are"));
        }
        change
    }
}

/// Returns manifests as the audit takes them, with the resource's address as the place of each.
fn audited(manifests: Manifests) -> Change {
    proposal::change(manifests, &|place| Place::Resource(place.file.to_string_lossy().into()))
}

fn address(resource: &Value) -> String {
    resource["address"].as_str().unwrap_or("a resource without address").to_owned()
}

/// Returns the Kubernetes object of a resource.
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
            let kind = Kind::Namespace;
            Some(json!({"apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata}))
        }
        _ => None,
    }
}
