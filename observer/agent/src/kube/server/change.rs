//! Changes that the watches send to the owner of the index.

use std::collections::HashSet;

use flow_model::object_ref::ObjectRef;
use flow_objects::object::{Object, ObjectId};
use flow_objects::resource::Resource;
use serde_json::Value;

use crate::kube::server::resource::Endpoint;
use crate::kube::server::state::Sync;

/// A change of the cluster, or of what is known about a resource.
#[derive(Debug)]
pub(super) enum Change {
    /// An object was added or modified.
    Apply(Resource, Object),
    /// An object was deleted.
    Delete(Resource, ObjectRef),
    /// An object can't be used, and its earlier state is no longer true.
    Unreadable(Resource, Option<ObjectRef>),
    /// A list begins, so unreadable objects are counted from 0.
    Listing(Resource),
    /// A list ended; these are all objects of the resource.
    Listed(Resource, HashSet<ObjectRef>),
    /// The state of a resource.
    Sync(Resource, Sync),
    /// A sentence about a value that can't be used.
    Note(String),
}

/// Returns an object's name and the changes that it makes. Notes come first.
pub(super) fn applied(of: &Endpoint, mut value: Value) -> (Option<ObjectRef>, Vec<Change>) {
    complete(of, &mut value);
    let key = ObjectId::of(&value).ok().map(|id| id.object);
    let mut notes = Vec::new();
    let object = Object::from_value(value, &mut notes);
    if let Resource::Foreign(kind) = of.resource
        && object.as_ref().is_some_and(Object::is_policy)
    {
        // One sentence for all of a kind: that they aren't judged is no fault of any.
        notes = vec![format!(
            "the cluster has policies of {} ({kind}), which aren't judged: verdicts on the pods that they may select are unknown",
            kind.maker(),
            kind = kind.name()
        )];
    }
    let mut changes: Vec<_> = notes.into_iter().map(Change::Note).collect();
    let resource = of.resource;
    changes.push(object.map_or_else(
        || Change::Unreadable(resource, key.clone()),
        |object| Change::Apply(resource, object.of_resource(resource)),
    ));
    (key, changes)
}

/// Returns the change that the deletion of an object makes; `None` for an object without a name.
pub(super) fn deleted(of: &Endpoint, mut value: Value) -> Option<Change> {
    complete(of, &mut value);
    ObjectId::of(&value).ok().map(|id| Change::Delete(of.resource, id.object))
}

/// Sets the kind: items of lists have none, and objects of which only the metadata was requested have another.
fn complete(of: &Endpoint, value: &mut Value) {
    if let Value::Object(object) = value {
        object.insert("kind".into(), of.resource.kind().into());
        object.insert("apiVersion".into(), of.api_version().into());
    }
}
