//! Policies that could not be read. A decision that could depend on one is unknown.

use flow_model::inventory::Pod;
use flow_model::policies::{BrokenPolicy, Direction, Tier};

use crate::plain::{Match, Plain, Why};

impl Plain {
    /// Finds a broken NetworkPolicy that may select the pod.
    pub(super) fn broken_namespaced(&self, direction: Direction, pod: &Pod) -> Option<&BrokenPolicy> {
        self.broken(None, direction).find(|policy| {
            let pods = policy.selector.as_ref().and_then(|selector| selector.pods.as_ref());
            let in_namespace = policy.namespace.is_empty() || policy.namespace == pod.namespace;
            in_namespace && pods.is_none_or(|pods| pods.matches(&pod.labels))
        })
    }

    /// Finds a broken policy of a tier that may have the pod as a subject. Its priority doesn't matter, because it can't be
    /// trusted: the policy may go first.
    pub(super) fn broken_tier(&self, tier: Tier, direction: Direction, pod: &Pod) -> Option<&BrokenPolicy> {
        self.broken(Some(tier), direction).find(|policy| {
            policy.selector.as_ref().is_none_or(|selector| self.pods(selector, pod) != Match::No)
        })
    }

    fn broken(&self, tier: Option<Tier>, direction: Direction) -> impl Iterator<Item = &BrokenPolicy> {
        let all = self.inventory.policies.broken.iter().map(AsRef::as_ref);
        all.filter(move |policy: &&BrokenPolicy| policy.tier == tier && acts_on(policy, direction))
    }
}

/// Is true where the policy may have rules for this direction.
pub(super) fn acts_on(policy: &BrokenPolicy, direction: Direction) -> bool {
    match direction {
        Direction::Ingress => policy.ingress,
        Direction::Egress => policy.egress,
    }
}

/// Names the policy and what is wrong with it.
pub(super) fn why(policy: &BrokenPolicy) -> Why {
    let BrokenPolicy { kind, name, why, .. } = policy;
    if policy.is_unjudged() {
        return format!("{kind} {} isn't judged: {why}", policy.object_ref()).into();
    }
    if name.is_empty() {
        return format!("{kind} objects can't be read: {why}").into();
    }
    format!("{kind} {} can't be read: {why}", policy.object_ref()).into()
}
