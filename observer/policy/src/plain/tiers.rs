//! The Admin and Baseline tiers: the first rule that matches decides, by priority, then in the order of the rules.

use std::sync::Arc;

use flow_model::decision::Decision;
use flow_model::inventory::Pod;
use flow_model::policies::{Action, Direction, TierPeer, TierPolicy, TierRule};

use crate::plain::{Basis, Match, Plain, View, Why, ports};
use crate::readings::tier_rules;

/// Points to a rule of a tiered policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TierRef<'a> {
    pub(crate) policy: &'a TierPolicy,
    pub(crate) index: usize,
    /// The action of the rule here: a rule that can't be read denies.
    pub(crate) action: Action,
}

/// Holds every outcome that a tier, or one policy of it, may have. There are several where facts are missing.
#[derive(Default)]
pub(super) struct TierOutcome<'a> {
    accept: Option<TierRef<'a>>,
    deny: Option<TierRef<'a>>,
    pass: Option<TierRef<'a>>,
    /// Is true where it is possible that no rule matches.
    no_match: bool,
    /// The first fact that is missing.
    why: Option<Why>,
    /// Set when two policies of the same priority disagree, which the API leaves undefined.
    conflict: Option<Why>,
}

impl Plain {
    /// Returns the tiered policies that have the pod as a subject, in the order in which they decide.
    pub(super) fn tiered<'a>(&'a self, direction: Direction, pod: &Pod) -> Vec<&'a TierPolicy> {
        let all = self.admin.iter().chain(&self.baseline).map(AsRef::as_ref);
        all.filter(|policy| !tier_rules(policy, direction).is_empty())
            .filter(|policy| self.pods(&policy.subject, pod) == Match::Yes)
            .collect()
    }

    /// Returns the outcome of one tier, whose policies are sorted by priority.
    pub(super) fn tier<'a>(
        &'a self,
        policies: &'a [Arc<TierPolicy>],
        view: &View<'_>,
        pod: &Pod,
    ) -> TierOutcome<'a> {
        let mut tier = TierOutcome { no_match: true, ..TierOutcome::default() };
        for equals in policies.chunk_by(|a, b| a.priority == b.priority) {
            let none = TierOutcome { no_match: true, ..TierOutcome::default() };
            let outcomes = equals.iter().map(|policy| self.policy_outcome(policy, view, pod));
            tier = tier.with_lower(outcomes.fold(none, TierOutcome::with_equal));
            if !tier.no_match {
                break;
            }
        }
        tier
    }

    fn policy_outcome<'a>(&self, policy: &'a TierPolicy, view: &View<'_>, pod: &Pod) -> TierOutcome<'a> {
        let mut outcome = TierOutcome { no_match: true, ..TierOutcome::default() };
        let subject = self.pods(&policy.subject, pod);
        for (index, rule) in tier_rules(policy, view.direction).iter().enumerate() {
            let (matched, action) = self.tier_rule(rule, view);
            let matched = subject.clone().and(|| matched);
            if matched == Match::No {
                continue;
            }
            outcome.slot(action).get_or_insert(TierRef { policy, index, action });
            match matched {
                Match::Maybe(why) => outcome.why = outcome.why.or(Some(why)),
                Match::Yes | Match::No => {
                    outcome.no_match = false;
                    break;
                }
            }
        }
        outcome
    }

    /// Returns whether a rule matches, and what it then does. A rule with a peer from a newer API fails closed, as the API
    /// demands: an Accept rule accepts nothing, any other denies everything.
    fn tier_rule(&self, rule: &TierRule, view: &View<'_>) -> (Match, Action) {
        if rule.peers.iter().any(|peer| matches!(peer, TierPeer::Unreadable(_))) {
            return match rule.action {
                Action::Accept => (Match::No, Action::Accept),
                Action::Deny | Action::Pass => (Match::Yes, Action::Deny),
            };
        }
        let peers = Match::any(rule.peers.iter().map(|peer| self.tier_peer(peer, view)));
        let ports = || match &rule.ports {
            None => Match::Yes,
            Some(ports) => Match::any(ports.iter().map(|entry| ports::tier_port(entry, view))),
        };
        (peers.and(ports), rule.action)
    }
}

impl<'a> TierOutcome<'a> {
    /// Returns the decision. Calls `below` where this tier may leave the decision to the next one.
    pub(super) fn or_below(self, below: impl FnOnce() -> Basis<'a>) -> Basis<'a> {
        if let Some(conflict) = self.conflict {
            return Basis::Unknown(conflict);
        }
        let why = self.why.unwrap_or_default();
        let here = [self.accept, self.deny].into_iter().flatten().map(Basis::Tier);
        let below = (self.pass.is_some() || self.no_match).then(below);
        let possible = here.chain(below).reduce(|a, b| a.either(b, why.clone()));
        possible.unwrap_or(Basis::NotIsolated)
    }

    /// Adds the outcome of a policy with the same priority.
    fn with_equal(mut self, other: Self) -> Self {
        let conflict = self.conflict_with(&other);
        self.conflict = self.conflict.or(other.conflict).or(conflict);
        let no_match = self.no_match && other.no_match;
        self.add(other.accept, other.deny, other.pass, other.why);
        self.no_match = no_match;
        self
    }

    /// Adds the outcome of a lower priority, which counts where nothing matched.
    fn with_lower(mut self, next: Self) -> Self {
        self.conflict = self.conflict.or(next.conflict);
        self.add(next.accept, next.deny, next.pass, next.why);
        self.no_match = next.no_match;
        self
    }

    fn add(
        &mut self,
        accept: Option<TierRef<'a>>,
        deny: Option<TierRef<'a>>,
        pass: Option<TierRef<'a>>,
        why: Option<Why>,
    ) {
        self.accept = self.accept.or(accept);
        self.deny = self.deny.or(deny);
        self.pass = self.pass.or(pass);
        self.why = self.why.take().or(why);
    }

    fn conflict_with(&self, other: &Self) -> Option<Why> {
        let mut pairs = self.rules().flat_map(|a| other.rules().map(move |b| (a, b)));
        let (a, b) = pairs.find(|(a, b)| a.action != b.action)?;
        let (kind, priority) = (kinds(a.policy, b.policy), a.policy.priority);
        let (a, b) = (&a.policy.name, &b.policy.name);
        Some(format!("{kind} {a} and {b} have the same priority {priority} and disagree").into())
    }

    fn rules(&self) -> impl Iterator<Item = TierRef<'a>> {
        [self.accept, self.deny, self.pass].into_iter().flatten()
    }

    fn slot(&mut self, action: Action) -> &mut Option<TierRef<'a>> {
        match action {
            Action::Accept => &mut self.accept,
            Action::Deny => &mut self.deny,
            Action::Pass => &mut self.pass,
        }
    }
}

impl TierRef<'_> {
    pub(super) fn decision(self) -> Decision {
        match self.action {
            Action::Accept | Action::Pass => Decision::Allow,
            Action::Deny => Decision::Deny,
        }
    }
}

/// Returns the plural of the kind, "AdminNetworkPolicies", or "policies" for two kinds.
fn kinds(a: &TierPolicy, b: &TierPolicy) -> String {
    match a.kind.as_str().strip_suffix('y') {
        Some(stem) if a.kind == b.kind => format!("{stem}ies"),
        _ => "policies".to_owned(),
    }
}
