//! A change in one sentence: what, when, by whom, and what went with it.

use std::sync::Arc;

use flow_model::decision::Decision;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{Origin, Policies};
use jiff::Timestamp;

use crate::history::change::{Change, Edit, Policy, What};
use crate::history::describe;
use crate::history::parts::{self, Part};
use crate::history::scene::Scene;

/// The sentence for a change that made the difference; `after` is how things were with it.
pub(super) fn told(change: &Change, after: &Scene<'_>) -> String {
    let labels = |parts| format!("{} at {}", all(decisive(parts, after)), second(change.seen));
    match &change.what {
        What::Namespace(before, now) => labels(parts::of_namespace(before, now)),
        What::Pod(before, now) => labels(parts::of_pod(before, now)),
        What::Policy(edit) => match (&edit.before, &edit.after) {
            (Some(before), None) => deleted(edit, change.seen, only(parts::of_deleted(before), after)),
            (Some(before), Some(now)) => {
                edited(edit, change.seen, &all(decisive(parts::of_policy(before, now), after)))
            }
            (None, _) => edited(edit, change.seen, ""),
        },
        What::Tiered(edit) => match (&edit.before, &edit.after) {
            (Some(_), None) => deleted(edit, change.seen, None),
            (Some(before), Some(now)) => {
                edited(edit, change.seen, &all(decisive(parts::of_tiered(before, now), after)))
            }
            (None, _) => edited(edit, change.seen, ""),
        },
    }
}

/// What changed and how, but not which of its parts.
pub(super) fn named_only(change: &Change) -> String {
    match &change.what {
        What::Namespace(before, now) => labelled(parts::of_namespace(before, now), change.seen),
        What::Pod(before, now) => labelled(parts::of_pod(before, now), change.seen),
        What::Policy(edit) if edit.after.is_none() => deleted(edit, change.seen, None),
        What::Policy(edit) => edited(edit, change.seen, ""),
        What::Tiered(edit) if edit.after.is_none() => deleted(edit, change.seen, None),
        What::Tiered(edit) => edited(edit, change.seen, ""),
    }
}

fn labelled(parts: Vec<Part>, seen: Timestamp) -> String {
    format!("{} at {}", all(parts.into_iter().map(|part| part.text).collect()), second(seen))
}

/// When the policies that deny changed last, for want of a change that was seen.
pub(super) fn last_change(
    policies: &Policies,
    denying: &[ObjectRef],
    since: Option<Timestamp>,
) -> Option<String> {
    let namespaced = policies.namespaced.iter().map(|p| (named(&**p), p.object_ref(), &p.origin));
    let tiered = policies.tiered.iter().map(|p| (named(&**p), p.object_ref(), &p.origin));
    let (name, _, origin) = namespaced
        .chain(tiered)
        .filter(|(_, name, _)| denying.contains(name))
        .max_by_key(|(_, _, origin)| origin.changed.max(origin.created))?;
    let at = origin.changed.max(origin.created)?;
    let verb = if origin.created == Some(at) { "created" } else { "last changed" };
    let unseen =
        if since.is_some_and(|since| at < since) { "; that was before this agent started" } else { "" };
    Some(format!("{name} was {verb} at {at}{}{unseen}", by(origin)))
}

/// The part that makes the difference alone, else all of them.
fn decisive(parts: Vec<Part>, after: &Scene<'_>) -> Vec<String> {
    match parts.iter().position(|part| decides(part, after)) {
        Some(one) => parts.into_iter().skip(one).take(1).map(|part| part.text).collect(),
        None => parts.into_iter().map(|part| part.text).collect(),
    }
}

fn only(parts: Vec<Part>, after: &Scene<'_>) -> Option<String> {
    parts.into_iter().find(|part| decides(part, after)).map(|part| part.text)
}

fn decides(part: &Part, after: &Scene<'_>) -> bool {
    let mut scene = after.clone();
    scene.undo(&part.alone);
    scene.decision() == Decision::Allow
}

fn all(texts: Vec<String>) -> String {
    describe::listed(texts)
}

fn edited<T: Policy>(edit: &Edit<T>, seen: Timestamp, what: &str) -> String {
    let Some(after) = &edit.after else { return String::new() };
    let verb = if edit.before.is_none() { "created" } else { "changed" };
    let what = if what.is_empty() { String::new() } else { format!(": {what}") };
    format!("{} was {verb} at {}{}{what}", named(&**after), time(edit, after, seen), by(after.origin()))
}

fn deleted<T: Policy>(edit: &Edit<T>, seen: Timestamp, what: Option<String>) -> String {
    let name = edit.before.as_ref().map(|policy| named(&**policy)).unwrap_or_default();
    let what = what.map(|what| format!(": {what}")).unwrap_or_default();
    format!("{name} was deleted at {}{what}", second(seen))
}

/// As the API tells it, where that is of this change; else when it was seen.
fn time<T: Policy>(edit: &Edit<T>, after: &Arc<T>, seen: Timestamp) -> Timestamp {
    let earlier = edit.before.as_ref().and_then(|before| before.origin().changed);
    let changed = after.origin().changed.filter(|changed| Some(*changed) > earlier);
    let created = after.origin().created.filter(|_| edit.before.is_none());
    second(created.or(changed).unwrap_or(seen))
}

fn by(origin: &Origin) -> String {
    origin.manager.as_ref().map(|manager| format!(" by {manager}")).unwrap_or_default()
}

fn named<T: Policy>(policy: &T) -> String {
    match policy.key() {
        ("", kind, name) => format!("{kind} {name}"),
        (kind, namespace, name) => format!("{kind} {namespace}/{name}"),
    }
}

/// People compare it with what the API says, which has whole seconds.
fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
