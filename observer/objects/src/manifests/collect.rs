//! Objects to [`Manifests`], one after the other.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::index::Index;
use crate::kinds::Kind;
use crate::manifests::content::{Manifests, Place, Template};
use crate::manifests::{bindings, templates};
use crate::object::{Object, ObjectId};
use crate::problem::{Extent, Problem};
use crate::values;

/// The manifests that were read so far.
#[derive(Default)]
pub(super) struct Collector {
    index: Index,
    templates: BTreeMap<ObjectId, Template>,
    out: Manifests,
}

impl Collector {
    /// Adds problems of files and documents.
    pub(super) fn problems(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.out.problems.extend(problems);
    }

    /// Adds one object; `within` is its position in the document.
    pub(super) fn add(&mut self, place: &Place, within: &str, value: Value) {
        let mut notes = Vec::new();
        if let Ok(id) = ObjectId::of(&value) {
            self.extras(&id, &value, &mut notes);
        }
        let object = Object::from_value(value, &mut notes);
        let extent = Extent::of_notes(object.as_ref());
        if let Some(object) = object {
            self.out.places.insert(object.id.clone(), place.clone());
            self.index.apply(object);
        }
        self.out.problems.extend(notes.into_iter().map(|note| Problem {
            file: place.file.clone(),
            line: place.line,
            extent: extent.clone(),
            message: format!("{within}{note}"),
        }));
    }

    /// Keeps what is not part of an inventory.
    fn extras(&mut self, id: &ObjectId, value: &Value, notes: &mut Vec<String>) {
        if id.known_kind() == Some(Kind::Namespace) {
            let annotations = values::texts(&value["metadata"]["annotations"]);
            self.out.namespace_annotations.insert(id.object.name.clone(), annotations);
        } else if matches!(&*id.kind, "RoleBinding" | "ClusterRoleBinding") {
            self.out.bound_accounts.extend(bindings::accounts(&id.object.namespace, value));
        } else {
            match templates::read(id, value) {
                Ok(None) => {}
                Ok(Some(template)) => {
                    self.templates.insert(id.clone(), template);
                }
                Err(why) => notes.push(format!("{id}: its pods are left out: {why}")),
            }
        }
    }

    /// Returns everything that was read.
    pub(super) fn finish(mut self) -> Manifests {
        self.out.templates = self.templates.into_values().collect();
        self.index.set_unreadable(self.out.problems.len() as u64);
        self.out.inventory = self.index.publish().unwrap_or_else(|| self.index.published());
        self.out
    }
}
