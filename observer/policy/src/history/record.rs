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
    let (verb, manager) = happened(change);
    let verb = if change.gone.is_some() { ChangeVerb::Created } else { verb };
    record(change, verb, manager, sentences::full(change))
}

/// Describes the return of a policy that seemed to be deleted, and is the same as before.
pub(super) fn still_there(change: &Change) -> Option<PolicyChange> {
    let summary = format!("{} is there again, and as it was", change.what.key()?);
    record(change, ChangeVerb::Created, happened(change).1, summary)
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

/// Returns what happened, and who did it.
fn happened(change: &Change) -> (ChangeVerb, Option<ArcStr>) {
    match &change.what {
        ObjectChange::Policy(edit) => edited(edit),
        ObjectChange::Tiered(edit) => edited(edit),
        ObjectChange::Namespace(..) | ObjectChange::Pod(..) => (ChangeVerb::Changed, None),
    }
}

/// Returns what happened to a policy, and who did it. The API doesn't tell who deleted one.
fn edited<T: Policy>(edit: &Versions<T>) -> (ChangeVerb, Option<ArcStr>) {
    let verb = match (&edit.before, &edit.after) {
        (_, None) => ChangeVerb::Deleted,
        (None, Some(_)) => ChangeVerb::Created,
        (Some(_), Some(_)) => ChangeVerb::Changed,
    };
    let before = edit.before.as_ref().map(|before| before.origin());
    (verb, edit.after.as_ref().and_then(|after| after.origin().author_since(before).cloned()))
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
