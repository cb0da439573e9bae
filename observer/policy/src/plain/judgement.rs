//! Finds how one direction of a connection is decided, and by what.

use flow_model::decision::Decision;
use flow_model::policies::{Direction, NetworkPolicy, Rule, TierPolicy};

use crate::plain::{TierRef, Why};
use crate::readings;

/// Holds the decision of one direction and the policies that took part in it.
#[derive(Clone, Debug)]
pub(crate) struct Judgement<'a> {
    pub(crate) basis: Basis<'a>,
    /// NetworkPolicies that select the pod in this direction.
    pub(crate) selecting: Vec<&'a NetworkPolicy>,
    /// Tiered policies with the pod as a subject and with rules for this direction.
    pub(crate) tiered: Vec<&'a TierPolicy>,
}

/// Names what a decision rests on.
#[derive(Clone, Debug)]
pub(crate) enum Basis<'a> {
    /// Allow: policies select pods, and this side is outside the cluster.
    Outside,
    /// Allow: this side is a node, or a pod in its network.
    HostNetwork,
    /// Allow: a pod can't block itself.
    Itself,
    /// Allow: the two sides are a pod and its own node.
    OwnNode,
    /// Allow by kube-router only: a policy selects both sides, and a rule of its other direction admits.
    Crosswise,
    /// Allow: no policy selects the pod.
    NotIsolated,
    /// Allow: these rules of NetworkPolicies match.
    Rules(Vec<RuleRef<'a>>),
    /// Allow or deny: this rule of a tiered policy matches.
    Tier(TierRef<'a>),
    /// Deny: NetworkPolicies select the pod, and none of their rules matches.
    Isolated,
    /// A fact is missing.
    Unknown(Why),
}

/// Points to a rule of a NetworkPolicy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleRef<'a> {
    pub(crate) policy: &'a NetworkPolicy,
    pub(crate) index: usize,
}

impl<'a> Basis<'a> {
    pub(crate) fn decision(&self) -> Decision {
        match self {
            Self::Outside | Self::HostNetwork | Self::Itself | Self::OwnNode => Decision::Allow,
            Self::NotIsolated | Self::Crosswise | Self::Rules(_) => Decision::Allow,
            Self::Tier(rule) => rule.decision(),
            Self::Isolated => Decision::Deny,
            Self::Unknown(_) => Decision::Unknown,
        }
    }

    /// Returns the judgement of a side that no policy selects.
    pub(super) fn alone(self) -> Judgement<'a> {
        Judgement { basis: self, selecting: Vec::new(), tiered: Vec::new() }
    }

    /// Combines two possible outcomes when the missing fact `why` decides between them: the decision that they share,
    /// else unknown.
    pub(super) fn either(self, other: Self, why: Why) -> Self {
        if self.decision() == other.decision() { other } else { Self::Unknown(why) }
    }

    /// Turns a deny into unknown: a policy that can't be read might allow what the others deny.
    pub(super) fn unless_denied(self, why: Why) -> Self {
        if self.decision() == Decision::Deny { Self::Unknown(why) } else { self }
    }
}

impl<'a> RuleRef<'a> {
    /// Returns the rules of a policy in one direction, in order.
    pub(crate) fn all(policy: &'a NetworkPolicy, direction: Direction) -> impl Iterator<Item = Self> {
        let count = readings::rules(policy, direction).map_or(0, <[Rule]>::len);
        (0..count).map(move |index| Self { policy, index })
    }

    pub(crate) fn body(self, direction: Direction) -> Option<&'a Rule> {
        readings::rules(self.policy, direction)?.get(self.index)
    }
}
