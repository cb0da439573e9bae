//! Policies that could not be read: what could depend on one is unknown.

use flow_model::inventory::Pod;
use flow_model::policies::{BrokenPolicy, Tier};

use crate::plain::{Basis, Decision, Direction, Match, Plain, Why, acts_on};

impl Plain {
    /// A broken NetworkPolicy that may select the pod.
    pub(super) fn broken_namespaced(&self, direction: Direction, pod: &Pod) -> Option<&BrokenPolicy> {
        self.broken(None, direction).find(|policy| {
            let pods = policy.selector.as_ref().and_then(|selector| selector.pods.as_ref());
            let meant = policy.namespace.is_empty() || policy.namespace == pod.namespace;
            meant && pods.is_none_or(|pods| pods.matches(&pod.labels))
        })
    }

    /// A broken policy of a tier whose subject the pod may be. Its priority counts for nothing: it may go first.
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

impl Basis<'_> {
    /// A deny stands only without the policy that can't be read.
    pub(super) fn unless_denied(self, why: Why) -> Self {
        if self.decision() == Decision::Deny { Self::Unknown(why) } else { self }
    }
}

/// Names the policy and what is wrong with it.
pub(super) fn why(policy: &BrokenPolicy) -> Why {
    let BrokenPolicy { kind, namespace, name, why, .. } = policy;
    if name.is_empty() {
        return format!("{kind} objects can't be read: {why}").into();
    }
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!("{kind} {namespace}{slash}{name} can't be read: {why}").into()
}
