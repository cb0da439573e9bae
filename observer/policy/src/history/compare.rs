//! What changed from one inventory to the next.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Labels};
use flow_model::policies::Policies;

use crate::history::change::{Edit, Policy, What, changed_labels};

/// The changes that may matter to a verdict. Deletions come last, so that they are taken back first: of a policy that was
/// renamed, what it admitted under its old name tells more than that there is a new one.
///
/// Labels count when a policy asks for them, or one of the policies that `remembers` tells of did.
pub(super) fn changes(
    before: &Inventory,
    after: &Inventory,
    remembers: impl Fn(&ArcStr) -> bool,
) -> Vec<What> {
    let asked = |policies: &Policies, key: &ArcStr| {
        policies.namespaced.iter().any(|p| p.asks_for(key)) || policies.tiered.iter().any(|p| p.asks_for(key))
    };
    // Asked once per label: a rollout may change one on thousands of pods.
    let mut known: HashMap<ArcStr, bool> = HashMap::new();
    let mut looked_at = |key: &ArcStr| {
        let find = || asked(&before.policies, key) || asked(&after.policies, key) || remembers(key);
        *known.entry(key.clone()).or_insert_with(find)
    };
    let mut changes = Vec::new();
    let namespaces = edits(&before.namespaces, &after.namespaces, |namespace| &namespace.name);
    let namespaces = relabelled(namespaces, |namespace| &namespace.labels, &mut looked_at);
    changes.extend(namespaces.map(|(before, after)| What::Namespace(before, after)));
    let pods = edits(&before.pods, &after.pods, |pod| (&pod.namespace, &pod.name, &pod.uid));
    let pods = relabelled(pods, |pod| &pod.labels, &mut looked_at);
    changes.extend(pods.map(|(before, after)| What::Pod(before, after)));
    let (before, after) = (&before.policies, &after.policies);
    changes.extend(policies(&before.tiered, &after.tiered).map(What::Tiered));
    changes.extend(policies(&before.namespaced, &after.namespaced).map(What::Policy));
    changes.sort_by_key(is_deletion);
    changes
}

/// Those that were and are there, with other labels under keys that matter.
fn relabelled<T>(
    edits: Vec<Edit<T>>,
    labels: impl Fn(&T) -> &Labels,
    mut matters: impl FnMut(&ArcStr) -> bool,
) -> impl Iterator<Item = (Arc<T>, Arc<T>)> {
    let both = edits.into_iter().filter_map(|edit| edit.before.zip(edit.after));
    both.filter(move |(before, after)| changed_labels(labels(before), labels(after)).any(&mut matters))
}

fn is_deletion(what: &What) -> bool {
    matches!(what, What::Policy(Edit { after: None, .. }) | What::Tiered(Edit { after: None, .. }))
}

fn policies<T: Policy>(before: &[Arc<T>], after: &[Arc<T>]) -> impl Iterator<Item = Edit<T>> {
    edits(before, after, Policy::key).into_iter().filter(|edit| !edit.is_nothing())
}

/// Objects that were replaced, appeared or went. Most stay where they are in memory.
fn edits<'a, T, K: Hash + Eq>(
    before: &'a [Arc<T>],
    after: &'a [Arc<T>],
    key: impl Fn(&'a T) -> K,
) -> Vec<Edit<T>> {
    let stayed = |i: usize| matches!((before.get(i), after.get(i)), (Some(b), Some(a)) if Arc::ptr_eq(b, a));
    let moved = |(i, object): (usize, &'a Arc<T>)| (!stayed(i)).then_some(object);
    let mut old: HashMap<K, &Arc<T>> =
        before.iter().enumerate().filter_map(moved).map(|object| (key(object), object)).collect();
    let mut edits = Vec::new();
    for object in after.iter().enumerate().filter_map(moved) {
        let before = old.remove(&key(object));
        if !before.is_some_and(|before| Arc::ptr_eq(before, object)) {
            edits.push(Edit { before: before.cloned(), after: Some(Arc::clone(object)) });
        }
    }
    // In the order they had, which a map forgets.
    let gone = before.iter().filter(|object| old.remove(&key(object)).is_some());
    edits.extend(gone.map(|object| Edit { before: Some(Arc::clone(object)), after: None }));
    edits
}
