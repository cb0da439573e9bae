//! Policies that two sources have.

use std::collections::HashMap;

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{BrokenPolicy, NetworkPolicy, TierPolicy};

use super::{Change, Place, Unjudged};

/// The kind and the name of a policy.
type Id = (ArcStr, ObjectRef);

#[derive(Clone, Copy, PartialEq)]
enum Content<'a> {
    Namespaced(&'a NetworkPolicy),
    Tiered(&'a TierPolicy),
    Broken(&'a BrokenPolicy),
}

/// Drops the policies of `change` that `other` has as well. Where their contents differ, one of them is not judged.
pub(super) fn drop_earlier(change: &mut Change, other: &Change) {
    let later = policies(other);
    let (mut unjudged, earlier) = (Vec::new(), policies(change));
    for (id, (content, place)) in &later {
        if let Some((_, before)) = earlier.get(id).filter(|(before, _)| before != content) {
            let object = arcstr::format!("{} {}", id.0, id.1);
            let why = format!("{object}: {before} has it with other content, and only this one is judged");
            unjudged.push(Unjudged { place: Some((*place).clone()), object, why });
        }
    }
    change.policies.retain(|p| !later.contains_key(&namespaced(&p.object)));
    change.tiered.retain(|p| !later.contains_key(&tiered(&p.object)));
    change.broken.retain(|p| !later.contains_key(&broken(&p.object)));
    change.unjudged.extend(unjudged);
}

fn policies(change: &Change) -> HashMap<Id, (Content<'_>, &Place)> {
    let all =
        change.policies.iter().map(|p| (namespaced(&p.object), (Content::Namespaced(&p.object), &p.place)));
    let all =
        all.chain(change.tiered.iter().map(|p| (tiered(&p.object), (Content::Tiered(&p.object), &p.place))));
    all.chain(change.broken.iter().map(|p| (broken(&p.object), (Content::Broken(&p.object), &p.place))))
        .collect()
}

fn namespaced(policy: &NetworkPolicy) -> Id {
    (arcstr::literal!("NetworkPolicy"), policy.object_ref())
}

fn tiered(policy: &TierPolicy) -> Id {
    (policy.kind.as_str().into(), policy.object_ref())
}

fn broken(policy: &BrokenPolicy) -> Id {
    (policy.kind.clone(), policy.object_ref())
}

#[cfg(test)]
mod tests;
