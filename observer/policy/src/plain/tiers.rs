//! The Admin and Baseline tiers: by priority, then in the order of the rules, the first match decides.

use std::sync::Arc;

use flow_model::inventory::Pod;
use flow_model::policies::{Action, TierPeer, TierPolicy, TierRule};

use crate::plain::{Basis, Decision, Direction, Match, Plain, View, Why, ports, tier_rules};

/// A rule of a tiered policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TierRef<'a> {
    pub(crate) policy: &'a TierPolicy,
    pub(crate) index: usize,
    /// What it does here: a rule that can't be read denies.
    pub(crate) action: Action,
}

/// What a tier, or a policy of it, may say: more than one thing where facts are missing.
#[derive(Default)]
pub(super) struct Said<'a> {
    accept: Option<TierRef<'a>>,
    deny: Option<TierRef<'a>>,
    pass: Option<TierRef<'a>>,
    /// It may be that no rule matches.
    nothing: bool,
    /// The first fact that is missing.
    why: Option<Why>,
    /// Two policies of the same priority say different things, which the API leaves undefined.
    conflict: Option<Why>,
}

impl Plain {
    /// Tiered policies whose subject the pod is, in the order they are asked.
    pub(super) fn tiered<'a>(&'a self, direction: Direction, pod: &Pod) -> Vec<&'a TierPolicy> {
        let all = self.admin.iter().chain(&self.baseline).map(AsRef::as_ref);
        all.filter(|policy| !tier_rules(policy, direction).is_empty())
            .filter(|policy| self.pods(&policy.subject, pod) == Match::Yes)
            .collect()
    }

    /// What the policies of one tier say, sorted by priority.
    pub(super) fn tier<'a>(
        &'a self,
        policies: &'a [Arc<TierPolicy>],
        view: &View<'_>,
        pod: &Pod,
    ) -> Said<'a> {
        let mut tier = Said { nothing: true, ..Said::default() };
        for equals in policies.chunk_by(|a, b| a.priority == b.priority) {
            let none = Said { nothing: true, ..Said::default() };
            let said = equals.iter().map(|policy| self.policy_says(policy, view, pod));
            tier = tier.then(said.fold(none, Said::beside));
            if !tier.nothing {
                break;
            }
        }
        tier
    }

    fn policy_says<'a>(&self, policy: &'a TierPolicy, view: &View<'_>, pod: &Pod) -> Said<'a> {
        let mut said = Said { nothing: true, ..Said::default() };
        let subject = self.pods(&policy.subject, pod);
        for (index, rule) in tier_rules(policy, view.direction).iter().enumerate() {
            let (matched, action) = self.tier_rule(rule, view);
            let matched = subject.clone().and(|| matched);
            if matched == Match::No {
                continue;
            }
            said.slot(action).get_or_insert(TierRef { policy, index, action });
            match matched {
                Match::Maybe(why) => said.why = said.why.or(Some(why)),
                Match::Yes | Match::No => {
                    said.nothing = false;
                    break;
                }
            }
        }
        said
    }

    /// Whether a rule matches, and what it then does. One with a peer from a newer API fails closed, as the API asks:
    /// it accepts nothing, or else denies everything.
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

impl<'a> Said<'a> {
    /// The decision, asking further where this tier is left.
    pub(super) fn or_below(self, below: impl FnOnce() -> Basis<'a>) -> Basis<'a> {
        if let Some(conflict) = self.conflict {
            return Basis::Unknown(conflict);
        }
        let why = self.why.unwrap_or_default();
        let here = [self.accept, self.deny].into_iter().flatten().map(Basis::Tier);
        let below = (self.pass.is_some() || self.nothing).then(below);
        let possible = here.chain(below).reduce(|a, b| a.either(b, why.clone()));
        possible.unwrap_or(Basis::NotIsolated)
    }

    /// Of policies with the same priority.
    fn beside(mut self, other: Self) -> Self {
        let conflict = self.conflict_with(&other);
        self.conflict = self.conflict.or(other.conflict).or(conflict);
        let nothing = self.nothing && other.nothing;
        self.add(other.accept, other.deny, other.pass, other.why);
        self.nothing = nothing;
        self
    }

    /// Of a lower priority, asked where nothing matched.
    fn then(mut self, next: Self) -> Self {
        self.conflict = self.conflict.or(next.conflict);
        self.add(next.accept, next.deny, next.pass, next.why);
        self.nothing = next.nothing;
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

/// "AdminNetworkPolicies", or of two kinds "policies".
fn kinds(a: &TierPolicy, b: &TierPolicy) -> String {
    match a.kind.strip_suffix('y') {
        Some(stem) if a.kind == b.kind => format!("{stem}ies"),
        _ => "policies".to_owned(),
    }
}
