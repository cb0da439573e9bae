//! A change as a record of the live tail.

use arcstr::{ArcStr, literal};
use flow_model::object_ref::ObjectRef;
use flow_model::record::{ChangeVerb, PolicyChange};

use crate::history::change::{Change, ObjectChange};
use crate::history::policy::{Key, Policy};
use crate::history::sentences;
use crate::history::versions::Versions;

/// Describes a change.
pub(super) fn of(change: &Change) -> Option<PolicyChange> {
    let (verb, manager) = match &change.what {
        ObjectChange::Policy(edit) => happened(edit),
        ObjectChange::Tiered(edit) => happened(edit),
        ObjectChange::Namespace(..) | ObjectChange::Pod(..) => (ChangeVerb::Changed, None),
    };
    record(change, verb, manager, sentences::full(change))
}

/// Describes the creation of a policy that was deleted just before, and is the same as it was then.
pub(super) fn returned(change: &Change) -> Option<PolicyChange> {
    let manager = match &change.what {
        ObjectChange::Policy(edit) => happened(edit).1,
        ObjectChange::Tiered(edit) => happened(edit).1,
        ObjectChange::Namespace(..) | ObjectChange::Pod(..) => None,
    };
    let summary = format!("{} is there again, and as it was", change.what.key()?);
    record(change, ChangeVerb::Created, manager, summary)
}

fn record(
    change: &Change,
    verb: ChangeVerb,
    manager: Option<ArcStr>,
    summary: String,
) -> Option<PolicyChange> {
    let (object, ObjectRef { namespace, name }) = object(change.what.key()?);
    let namespace = Some(namespace).filter(|namespace| !namespace.is_empty());
    Some(PolicyChange { object, namespace, name, change: verb, manager, summary })
}

/// Returns what happened to a policy, and who did it. The API doesn't tell who deleted one.
fn happened<T: Policy>(edit: &Versions<T>) -> (ChangeVerb, Option<ArcStr>) {
    let verb = match (&edit.before, &edit.after) {
        (_, None) => ChangeVerb::Deleted,
        (None, Some(_)) => ChangeVerb::Created,
        (Some(_), Some(_)) => ChangeVerb::Changed,
    };
    (verb, edit.after.as_ref().and_then(|after| after.origin().manager.clone()))
}

/// Returns the kind of an object, as the API writes it, and its name.
fn object(key: Key) -> (ArcStr, ObjectRef) {
    match key {
        Key::Policy(name) => (literal!("NetworkPolicy"), name),
        Key::Tiered(kind, name) => (kind.to_string().into(), ObjectRef::cluster_scoped(name)),
        Key::Namespace(name) => (literal!("Namespace"), ObjectRef::cluster_scoped(name)),
        Key::Pod(name) => (literal!("Pod"), name),
    }
}
