//! Objects to [`Manifests`], one after the other.

use std::collections::BTreeMap;
use std::path::Path;

use arcstr::ArcStr;
use serde_json::Value;

use crate::document::Document;
use crate::index::Index;
use crate::kinds::Kind;
use crate::list::Item;
use crate::manifests::content::{Manifests, Place, Template};
use crate::manifests::{bindings, makers, placement, templates};
use crate::object::{Object, ObjectId};
use crate::problem::{Extent, Note, Problem};
use crate::{item, list, values};

/// The manifests that were read so far.
#[derive(Default)]
pub(super) struct Collector {
    index: Index,
    templates: BTreeMap<ObjectId, Template>,
    /// The namespace of objects that name none.
    namespace: Option<ArcStr>,
    out: Manifests,
}

impl Collector {
    pub(super) fn new(namespace: Option<ArcStr>) -> Self {
        Self { namespace, ..Self::default() }
    }

    /// Adds problems of files and documents.
    pub(super) fn problems(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.out.problems.extend(problems);
    }

    /// Adds the objects of a document.
    pub(super) fn document(&mut self, file: &Path, document: Document) {
        let line = document.line;
        let list::Items { items, lost } = list::items(document);
        self.problems(lost.iter().map(|repeated| Problem::of_list(file, line, repeated)));
        items.into_iter().for_each(|item| self.add(file, item));
    }

    fn add(&mut self, file: &Path, mut item: Item) {
        let (place, mut notes) = (Place { file: file.to_owned(), line: item.line }, Vec::new());
        let is_unplaced = self.settle(&mut item.value);
        if let Ok(id) = ObjectId::of(&item.value) {
            self.extras(&id, &item.value, &item.place(), &mut notes);
            if is_unplaced {
                self.out.unplaced.push((id, place.clone()));
            }
        }
        if let Some(object) = item::object(item, &mut notes) {
            notes.extend(self.apply(object, &place));
        }
        self.problems(notes.into_iter().map(|note| Problem::of_note(file, place.line, note)));
    }

    /// Adds an object. Returns a note for a policy that is there already, with other content.
    fn apply(&mut self, object: Object, place: &Place) -> Option<Note> {
        let (id, is_policy) = (object.id.clone(), object.is_policy());
        let before = self.out.places.insert(id.clone(), place.clone());
        let changed = self.index.apply(object);
        let other = before.filter(|_| is_policy && changed)?;
        let message = match other == *place {
            true => format!("{id}: is there twice with different content, and only the last is judged"),
            false => format!("{id}: {other} has it with other content, and only this one is judged"),
        };
        Some(Note { extent: Extent::Unjudged(arcstr::format!("{id}")), message })
    }

    /// Gives an object without a namespace the one that was named. Returns true if it still has none and needs one.
    fn settle(&self, object: &mut Value) -> bool {
        if !placement::is_missing(object) {
            return false;
        }
        match (&self.namespace, object.get_mut("metadata")) {
            (Some(namespace), Some(Value::Object(metadata))) => {
                metadata.insert("namespace".to_owned(), Value::from(namespace.as_str()));
                false
            }
            _ => true,
        }
    }

    /// Keeps what is not part of an inventory.
    fn extras(&mut self, id: &ObjectId, value: &Value, within: &str, notes: &mut Vec<Note>) {
        if id.known_kind() == Some(Kind::Namespace) {
            let annotations = values::texts(&value["metadata"]["annotations"]);
            self.out.namespace_annotations.insert(id.object.name.clone(), annotations);
        } else if matches!(&*id.kind, "RoleBinding" | "ClusterRoleBinding") {
            self.out.bound_accounts.extend(bindings::accounts(&id.object.namespace, value));
        } else if makers::is_maker(value) {
            notes.push(Note {
                extent: Extent::Unjudged(arcstr::format!("{id}")),
                message: format!("{within}{id}: makes other objects, which aren't read"),
            });
        } else {
            match templates::read(id, value) {
                Ok(None) => {}
                Ok(Some(template)) => {
                    self.templates.insert(id.clone(), template);
                }
                // Why a pod itself can't be read is noted with the object.
                Err(_) if id.known_kind() == Some(Kind::Pod) => {}
                Err(why) => notes.push(Note {
                    extent: Extent::Unjudged(arcstr::format!("{id}")),
                    message: format!("{within}{id}: its pods are left out: {why}"),
                }),
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
