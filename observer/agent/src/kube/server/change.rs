//! Changes that the watches send to the owner of the index.

use std::collections::HashSet;

use flow_model::object_ref::ObjectRef;
use flow_objects::kinds::Kind;
use flow_objects::object::{Object, ObjectId};
use serde_json::Value;

use crate::kube::server::state::Sync;

/// A change of the cluster, or of what is known about a kind.
#[derive(Debug)]
pub(super) enum Change {
    /// An object was added or modified.
    Apply(Object),
    /// An object was deleted.
    Delete(Kind, ObjectRef),
    /// An object can't be used, and its earlier state is no longer true.
    Unreadable(Kind, Option<ObjectRef>),
    /// A list begins, so unreadable objects are counted from 0.
    Listing(Kind),
    /// A list ended; these are all objects of the kind.
    Listed(Kind, HashSet<ObjectRef>),
    /// The state of a kind.
    Sync(Kind, Sync),
    /// A sentence about a value that can't be used.
    Note(String),
}

/// Returns an object's name and the changes that it makes. Notes come first.
pub(super) fn applied(kind: Kind, mut value: Value) -> (Option<ObjectRef>, Vec<Change>) {
    complete(kind, &mut value);
    let key = ObjectId::of(&value).ok().map(|id| id.object);
    let mut notes = Vec::new();
    let object = Object::from_value(value, &mut notes);
    let mut changes: Vec<_> = notes.into_iter().map(Change::Note).collect();
    changes.push(object.map_or_else(|| Change::Unreadable(kind, key.clone()), Change::Apply));
    (key, changes)
}

/// Returns the change that the deletion of an object makes; `None` for an object without a name.
pub(super) fn deleted(kind: Kind, mut value: Value) -> Option<Change> {
    complete(kind, &mut value);
    ObjectId::of(&value).ok().map(|id| Change::Delete(kind, id.object))
}

/// Sets the kind: items of lists have none, and objects of which only the metadata was requested have another.
fn complete(kind: Kind, value: &mut Value) {
    if let Value::Object(object) = value {
        object.insert("kind".into(), kind.name().into());
        object.insert("apiVersion".into(), kind.api_version().into());
    }
}
