//! What the watches tell the owner of the index.

use std::collections::HashSet;

use flow_model::object_ref::ObjectRef;
use flow_objects::object::Object;
use serde_json::Value;

use crate::kube::server::Sync;
use crate::kube::server::kind::Kind;

#[derive(Debug)]
pub(super) enum Change {
    /// Added or modified.
    Apply(Object),
    Delete(&'static Kind, ObjectRef),
    /// The object can't be used; what was known of it is not true any more.
    Unreadable(&'static Kind, Option<ObjectRef>),
    /// A list begins: what can't be read is counted anew.
    Listing(&'static Kind),
    /// A list ended: these are all there are.
    Listed(&'static Kind, HashSet<ObjectRef>),
    Sync(&'static Kind, Sync),
    /// Something is wrong with an object.
    Note(String),
}

/// What an object means for the index, and its key. Notes go first.
pub(super) fn applied(kind: &'static Kind, mut value: Value) -> (Option<ObjectRef>, Vec<Change>) {
    complete(kind, &mut value);
    let key = Object::identify(&value).map(|(_, key)| key);
    let mut notes = Vec::new();
    let object = Object::from_value(value, &mut notes);
    let mut changes: Vec<_> = notes.into_iter().map(Change::Note).collect();
    changes.push(object.map_or_else(|| Change::Unreadable(kind, key.clone()), Change::Apply));
    (key, changes)
}

pub(super) fn deleted(kind: &'static Kind, mut value: Value) -> Option<Change> {
    complete(kind, &mut value);
    Object::identify(&value).map(|(_, key)| Change::Delete(kind, key))
}

/// Items of lists don't say what they are, and metadata says that it is metadata.
fn complete(kind: &Kind, value: &mut Value) {
    if let Value::Object(object) = value {
        object.insert("kind".into(), kind.name.into());
        object.insert("apiVersion".into(), kind.group_version.into());
    }
}
