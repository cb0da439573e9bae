//! A change in one sentence: what changed, when, by whom, and which part of it mattered.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::decision::Decision;
use flow_model::finding::Cause;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{Origin, Policies};
use jiff::Timestamp;

use crate::history::change::{Change, ObjectChange};
use crate::history::describe;
use crate::history::parts::{self, Part};
use crate::history::policy::Policy;
use crate::history::scene::Scene;
use crate::history::versions::Versions;

/// Describes a change that made the difference. `after` is the scene with the change in place.
pub(super) fn decisive(change: &Change, after: &Scene<'_>) -> Cause {
    Cause { text: decisive_text(change, after), at: Some(time_of(change)) }
}

/// Returns when a change was made, by the API's clock or by this node's, whichever is earlier: it was made before this
/// agent saw it, even if the API's clock is ahead.
fn time_of(change: &Change) -> Timestamp {
    let seen = change.seen;
    let of_api = match &change.what {
        ObjectChange::Policy(edit) => edit.after.as_ref().map(|after| time(edit, after, seen)),
        ObjectChange::Tiered(edit) => edit.after.as_ref().map(|after| time(edit, after, seen)),
        ObjectChange::Namespace(..) | ObjectChange::Pod(..) => None,
    };
    of_api.map_or(seen, |at| at.min(seen))
}

/// Describes the creation of a policy that had been deleted: what was opened meanwhile, it refuses now.
pub(super) fn returned(change: &Change) -> Cause {
    Cause { text: returned_text(change).unwrap_or_default(), at: Some(change.seen) }
}

fn returned_text(change: &Change) -> Option<String> {
    let gone = second(change.gone?);
    let text = |key, origin: &Origin| {
        format!(
            "{key} was created again at {}{}; it had been deleted at {gone}",
            second(change.seen),
            by(origin.manager.as_ref())
        )
    };
    match &change.what {
        ObjectChange::Policy(edit) => edit.after.as_ref().map(|after| text(after.key(), after.origin())),
        ObjectChange::Tiered(edit) => edit.after.as_ref().map(|after| text(after.key(), after.origin())),
        ObjectChange::Namespace(..) | ObjectChange::Pod(..) => None,
    }
}

fn decisive_text(change: &Change, after: &Scene<'_>) -> String {
    let labels = |parts| format!("{} at {}", all(decisive_parts(parts, after)), second(change.seen));
    match &change.what {
        ObjectChange::Namespace(before, now) => labels(parts::of_namespace(before, now)),
        ObjectChange::Pod(before, now) => labels(parts::of_pod(before, now)),
        ObjectChange::Policy(edit) => match (&edit.before, &edit.after) {
            (Some(before), None) => deleted(edit, change.seen, only(parts::of_deleted(before), after)),
            (Some(before), Some(now)) => {
                edited(edit, change.seen, &all(decisive_parts(parts::of_policy(before, now), after)))
            }
            (None, _) => edited(edit, change.seen, ""),
        },
        ObjectChange::Tiered(edit) => match (&edit.before, &edit.after) {
            (Some(_), None) => deleted(edit, change.seen, None),
            (Some(before), Some(now)) => {
                edited(edit, change.seen, &all(decisive_parts(parts::of_tiered(before, now), after)))
            }
            (None, _) => edited(edit, change.seen, ""),
        },
    }
}

/// Describes what changed and how, without its parts.
pub(super) fn summary(change: &Change) -> String {
    described(change, "")
}

/// Describes what changed and how, with all that a policy no longer admits.
pub(super) fn full(change: &Change) -> String {
    let parts = match &change.what {
        ObjectChange::Policy(Versions { before: Some(before), after: Some(now) }) => {
            parts::of_policy(before, now)
        }
        ObjectChange::Tiered(Versions { before: Some(before), after: Some(now) }) => {
            parts::of_tiered(before, now)
        }
        _ => Vec::new(),
    };
    described(change, &texts(parts))
}

/// Describes a change. `what` is the part of a policy that is told.
fn described(change: &Change, what: &str) -> String {
    if let Some(returned) = returned_text(change) {
        return format!("{returned}{}", after_colon(what));
    }
    match &change.what {
        ObjectChange::Namespace(before, now) => labelled(parts::of_namespace(before, now), change.seen),
        ObjectChange::Pod(before, now) => labelled(parts::of_pod(before, now), change.seen),
        ObjectChange::Policy(edit) if edit.after.is_none() => deleted(edit, change.seen, None),
        ObjectChange::Policy(edit) => edited(edit, change.seen, what),
        ObjectChange::Tiered(edit) if edit.after.is_none() => deleted(edit, change.seen, None),
        ObjectChange::Tiered(edit) => edited(edit, change.seen, what),
    }
}

fn labelled(parts: Vec<Part>, seen: Timestamp) -> String {
    format!("{} at {}", texts(parts), second(seen))
}

fn texts(parts: Vec<Part>) -> String {
    all(parts.into_iter().map(|part| part.text).collect())
}

fn after_colon(what: &str) -> String {
    if what.is_empty() { String::new() } else { format!(": {what}") }
}

/// Describes when the policies that deny changed last, for denials that no change explains.
pub(super) fn last_change(
    policies: &Policies,
    denying: &[ObjectRef],
    since: Option<Timestamp>,
) -> Option<Cause> {
    let namespaced = policies.namespaced.iter().map(|p| (p.key(), p.object_ref(), &p.origin));
    let tiered = policies.tiered.iter().map(|p| (p.key(), p.object_ref(), &p.origin));
    let (name, _, origin) = namespaced
        .chain(tiered)
        .filter(|(_, name, _)| denying.contains(name))
        .max_by_key(|(_, _, origin)| origin.changed.max(origin.created))?;
    let at = origin.changed.max(origin.created)?;
    let verb = if origin.created == Some(at) { "created" } else { "last changed" };
    let unseen =
        if since.is_some_and(|since| at < since) { "; that was before this agent started" } else { "" };
    Some(Cause {
        text: format!("{name} was {verb} at {at}{}{unseen}", by(origin.manager.as_ref())),
        at: Some(at),
    })
}

/// Returns the part that makes the difference alone, else all parts.
fn decisive_parts(parts: Vec<Part>, after: &Scene<'_>) -> Vec<String> {
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

fn edited<T: Policy>(edit: &Versions<T>, seen: Timestamp, what: &str) -> String {
    let Some(after) = &edit.after else { return String::new() };
    let verb = if edit.before.is_none() { "created" } else { "changed" };
    let before = edit.before.as_ref().map(|before| before.origin());
    let (time, by) = (time(edit, after, seen), by(after.origin().author_since(before)));
    format!("{} was {verb} at {time}{by}{}", after.key(), after_colon(what))
}

fn deleted<T: Policy>(edit: &Versions<T>, seen: Timestamp, what: Option<String>) -> String {
    let name = edit.before.as_ref().map(|policy| policy.key().to_string()).unwrap_or_default();
    let what = what.map(|what| format!(": {what}")).unwrap_or_default();
    format!("{name} was deleted at {}{what}", second(seen))
}

/// Returns the time of a change: the API's, where it belongs to this change, else when the agent saw it.
fn time<T: Policy>(edit: &Versions<T>, after: &Arc<T>, seen: Timestamp) -> Timestamp {
    let earlier = edit.before.as_ref().and_then(|before| before.origin().changed);
    let changed = after.origin().changed.filter(|changed| Some(*changed) > earlier);
    let created = after.origin().created.filter(|_| edit.before.is_none());
    second(created.or(changed).unwrap_or(seen))
}

fn by(manager: Option<&ArcStr>) -> String {
    manager.map(|manager| format!(" by {manager}")).unwrap_or_default()
}

/// Cuts a time to whole seconds, as the API writes them, so that people can compare the two.
fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
