//! The changes from one inventory to the next.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Labels};
use flow_model::policies::Policies;

use crate::history::change::{ObjectChange, changed_labels};
use crate::history::policy::Policy;
use crate::history::versions::Versions;

/// Returns the changes that may matter to a verdict. Deletions come last, so that they are undone first: when a policy was
/// renamed, the rules under its old name explain more than the existence of a new one.
///
/// A label counts when a policy looks at it, or when `remembers` knows a policy that did.
pub(super) fn changes(
    before: &Inventory,
    after: &Inventory,
    remembers: impl Fn(&ArcStr) -> bool,
) -> Vec<ObjectChange> {
    let uses = |policies: &Policies, key: &ArcStr| {
        policies.namespaced.iter().any(|p| p.uses_label(key))
            || policies.tiered.iter().any(|p| p.uses_label(key))
    };
    // Computed once per label: a rollout may change one on thousands of pods.
    let mut known: HashMap<ArcStr, bool> = HashMap::new();
    let mut looked_at = |key: &ArcStr| {
        let find = || uses(&before.policies, key) || uses(&after.policies, key) || remembers(key);
        *known.entry(key.clone()).or_insert_with(find)
    };
    let mut changes = Vec::new();
    let namespaces = edits(&before.namespaces, &after.namespaces, |namespace| &namespace.name);
    let namespaces = relabelled(namespaces, |namespace| &namespace.labels, &mut looked_at);
    changes.extend(namespaces.map(|(before, after)| ObjectChange::Namespace(before, after)));
    let pods = edits(&before.pods, &after.pods, |pod| (&pod.namespace, &pod.name, &pod.uid));
    let pods = relabelled(pods, |pod| &pod.labels, &mut looked_at);
    changes.extend(pods.map(|(before, after)| ObjectChange::Pod(before, after)));
    let (before, after) = (&before.policies, &after.policies);
    changes.extend(policies(&before.tiered, &after.tiered).map(ObjectChange::Tiered));
    changes.extend(policies(&before.namespaced, &after.namespaced).map(ObjectChange::Policy));
    changes.sort_by_key(is_deletion);
    changes
}

/// Returns the objects that stayed, with other labels under keys that matter.
fn relabelled<T>(
    edits: Vec<Versions<T>>,
    labels: impl Fn(&T) -> &Labels,
    mut matters: impl FnMut(&ArcStr) -> bool,
) -> impl Iterator<Item = (Arc<T>, Arc<T>)> {
    let both = edits.into_iter().filter_map(|edit| edit.before.zip(edit.after));
    both.filter(move |(before, after)| changed_labels(labels(before), labels(after)).any(&mut matters))
}

fn is_deletion(what: &ObjectChange) -> bool {
    matches!(
        what,
        ObjectChange::Policy(Versions { after: None, .. })
            | ObjectChange::Tiered(Versions { after: None, .. })
    )
}

fn policies<T: Policy>(before: &[Arc<T>], after: &[Arc<T>]) -> impl Iterator<Item = Versions<T>> {
    edits(before, after, Policy::key).into_iter().filter(|edit| !edit.is_equivalent())
}

/// Returns the objects that were replaced, appeared or went. Most objects stay where they are in memory, and cost little.
fn edits<'a, T, K: Hash + Eq>(
    before: &'a [Arc<T>],
    after: &'a [Arc<T>],
    key: impl Fn(&'a T) -> K,
) -> Vec<Versions<T>> {
    let stayed = |i: usize| matches!((before.get(i), after.get(i)), (Some(b), Some(a)) if Arc::ptr_eq(b, a));
    let moved = |(i, object): (usize, &'a Arc<T>)| (!stayed(i)).then_some(object);
    let mut old: HashMap<K, &Arc<T>> =
        before.iter().enumerate().filter_map(moved).map(|object| (key(object), object)).collect();
    let mut edits = Vec::new();
    for object in after.iter().enumerate().filter_map(moved) {
        let before = old.remove(&key(object));
        if !before.is_some_and(|before| Arc::ptr_eq(before, object)) {
            edits.push(Versions { before: before.cloned(), after: Some(Arc::clone(object)) });
        }
    }
    // The map doesn't keep the order of the list.
    let gone = before.iter().filter(|object| old.remove(&key(object)).is_some());
    edits.extend(gone.map(|object| Versions { before: Some(Arc::clone(object)), after: None }));
    edits
}
