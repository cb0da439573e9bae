//! Objects to [`Manifests`], one after the other.

use std::collections::BTreeMap;

use arcstr::ArcStr;
use serde_json::Value;

use crate::convert;
use crate::manifests::{Manifests, Place, Template, bindings, templates};
use crate::object::Object;
use crate::{Index, Problem};
use flow_model::object_ref::ObjectRef;

/// What is gathered so far.
#[derive(Default)]
pub(super) struct Collector {
    index: Index,
    templates: BTreeMap<(ArcStr, ObjectRef), Template>,
    out: Manifests,
}

impl Collector {
    pub(super) fn problems(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.out.problems.extend(problems);
    }

    /// Adds one object; `within` says where in its document it stands.
    pub(super) fn add(&mut self, place: &Place, within: &str, value: Value) {
        let mut notes = Vec::new();
        if let Some(extras) = Object::identify(&value) {
            self.extras(&extras, &value, &mut notes);
        }
        if let Some(object) = Object::from_value(value, &mut notes) {
            let id = (object.kind.clone(), object.key.namespace.clone(), object.key.name.clone());
            self.out.places.insert(id, place.clone());
            self.index.apply(object);
        }
        let problem =
            |note| Problem { file: place.file.clone(), line: place.line, message: format!("{within}{note}") };
        self.out.problems.extend(notes.into_iter().map(problem));
    }

    /// What the inventory has no room for.
    fn extras(&mut self, (kind, key): &(ArcStr, ObjectRef), value: &Value, notes: &mut Vec<String>) {
        match &**kind {
            "Namespace" => {
                let annotations = convert::texts(&value["metadata"]["annotations"]);
                self.out.namespace_annotations.insert(key.name.clone(), annotations);
            }
            "RoleBinding" | "ClusterRoleBinding" => {
                self.out.bound_accounts.extend(bindings::accounts(&key.namespace, value));
            }
            _ => match templates::read(kind, key, value) {
                Ok(None) => {}
                Ok(Some(template)) => {
                    self.templates.insert((kind.clone(), key.clone()), template);
                }
                Err(why) => notes.push(format!("{kind} {key}: its pods are left out: {why}")),
            },
        }
    }

    pub(super) fn finish(mut self) -> Manifests {
        self.out.templates = self.templates.into_values().collect();
        self.index.set_unreadable(self.out.problems.len() as u64);
        self.out.inventory = self.index.publish().unwrap_or_else(|| self.index.published());
        self.out
    }
}
