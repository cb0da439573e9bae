//! A Terraform or OpenTofu plan as a proposed change.

mod network_policy;
mod partial;
mod resource;
mod unknown;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use flow_policy::audit::{Change, Place, Removed, Unjudged};
use serde_json::Value;

use crate::document::encoding;
use crate::kinds::{Kind, Purpose};
use crate::manifests::{self, Manifests};
use crate::object::ObjectId;
use crate::proposal;
use resource::Content;

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
    let plan: Value = serde_json::from_slice(&encoding::utf8(json)).map_err(PlanError::NotJson)?;
    let mut out = Collected::default();
    if let Some(changes) = plan["resource_changes"].as_array() {
        changes.iter().for_each(|resource| out.change(resource));
    } else {
        let values = [&plan["planned_values"], &plan["values"]];
        let root = values.into_iter().find(|v| v.is_object()).ok_or(PlanError::NotAPlan)?;
        out.module(&root["root_module"]);
    }
    for why in partial::reasons(&plan) {
        let (object, why) = (arcstr::literal!("plan"), why.to_owned());
        out.change.unjudged.push(Unjudged { place: None, object, why });
    }
    for deferred in plan["deferred_changes"].as_array().into_iter().flatten() {
        let resource = &deferred["resource_change"];
        out.unjudged(resource, "it is only planned after this plan is applied");
    }
    Ok(out.finish())
}

#[derive(Default)]
struct Collected {
    objects: Vec<(manifests::Place, Value)>,
    change: Change,
    /// Counts of workloads that are not read, by type.
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
        if resource["mode"] == "data" || (does("forget") && !does("create")) {
            return;
        }
        let is_changed = !does("no-op") && !does("read");
        if let Some(why) = resource::unjudged(resource) {
            if is_changed {
                self.unjudged(resource, why);
            }
            return;
        }
        if is_changed && resource::is_workload(resource) {
            self.unjudged(resource, "resources of this type aren't read, so policies may select other pods");
            return;
        }
        let before = resource::content(resource, &change["before"], &Value::Null).objects();
        let stays = !does("delete") || does("create");
        let mut after = HashSet::new();
        if stays {
            let content = resource::content(resource, &change["after"], &change["after_unknown"]);
            after = self.take(resource, content, &before);
        }
        // A resource that is forgotten stays in the cluster, also where another one takes its place.
        let gone =
            before.iter().filter_map(|object| ObjectId::of(object).ok()).filter(|id| !after.contains(id));
        let address = address(resource);
        if !does("forget") {
            self.change.removed.extend(gone.map(|ObjectId { kind, object }| {
                let place = Place::Resource(address.as_str().into());
                Removed { kind, object, place }
            }));
        }
    }

    /// Takes the resources of a module and of those below it, which a plan of another form or a state has.
    fn module(&mut self, module: &Value) {
        for resource in module["resources"].as_array().into_iter().flatten() {
            if resource["mode"] == "data" {
                continue;
            }
            match resource::unjudged(resource) {
                Some(why) => self.unjudged(resource, why),
                None => {
                    let content = resource::content(resource, &resource["values"], &Value::Null);
                    self.take(resource, content, &[]);
                }
            }
        }
        for child in module["child_modules"].as_array().into_iter().flatten() {
            self.module(child);
        }
    }

    /// Takes what a resource holds after the change, and returns its objects. Where that isn't known, the objects from before
    /// stay, with unknown content.
    fn take(&mut self, resource: &Value, content: Content, before: &[Value]) -> HashSet<ObjectId> {
        let address = address(resource);
        let kind = resource["type"].as_str().unwrap_or_default();
        if resource::is_workload(resource) {
            *self.unread.entry(kind.to_owned()).or_default() += 1;
        }
        let mut objects = match content {
            Content::Objects(objects) => objects,
            Content::Unknown(why) => {
                self.unreadable(&address, why);
                before.iter().cloned().map(unknown::content).collect()
            }
        };
        self.keep(&mut objects, &address, "its namespace is only known when the plan is applied", |object| {
            !unknown::is(&object["metadata"]["namespace"]) || !may_be_policy(object)
        });
        let ids = objects.iter().filter_map(|object| ObjectId::of(object).ok()).collect();
        self.keep(&mut objects, &address, "its labels are only known when the plan is applied", |object| {
            object["kind"] != Kind::Namespace.name() || !unknown::is_in(&object["metadata"]["labels"])
        });
        let place = manifests::Place { file: PathBuf::from(address), line: 0 };
        self.objects.extend(objects.into_iter().map(|object| (place.clone(), object)));
        ids
    }

    /// Keeps the objects of which enough is known. The others may have any effect, for this reason.
    fn keep(
        &mut self,
        objects: &mut Vec<Value>,
        address: &str,
        why: &str,
        is_known: impl Fn(&Value) -> bool,
    ) {
        let count = objects.len();
        objects.retain(is_known);
        if objects.len() < count {
            self.unreadable(address, why.to_owned());
        }
    }

    fn unreadable(&mut self, address: &str, why: String) {
        self.change.unreadable.push((Place::Resource(address.into()), why));
    }

    fn unjudged(&mut self, resource: &Value, why: &str) {
        let place = Some(Place::Resource(address(resource).into()));
        let object = resource["type"].as_str().unwrap_or("resource").into();
        self.change.unjudged.push(Unjudged { place, object, why: why.to_owned() });
    }

    fn finish(self) -> Change {
        let mut change = self.change;
        change.extend(audited(manifests::collect(self.objects)));
        let unread = self.unread.into_iter();
        change.notes.extend(unread.map(|(kind, count)| format!("{count} of type {kind} not read")));
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

fn may_be_policy(object: &Value) -> bool {
    let kind: Option<Kind> = object["kind"].as_str().and_then(|kind| kind.parse().ok());
    kind.is_some_and(|kind| kind.row().purpose == Purpose::Policies)
}
