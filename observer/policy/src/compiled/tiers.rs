//! The Admin and Baseline tiers: the first rule that matches decides, by priority, then in the order of the rules.

use flow_model::decision::Decision;
use flow_model::policies::{Action, Direction, TierPort};

use crate::compiled::Compiled;
use crate::compiled::judge::named;
use crate::compiled::program::{AnyPeer, TierPeers, TierPolicy, TierRule};
use crate::compiled::sides::{Known, View};
use crate::compiled::truth::Truth;

/// Holds every outcome that a tier, or one policy of it, may have. There are several where facts are missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct TierOutcome {
    /// Has a bit for each possible [`Action`].
    actions: u8,
    /// Is true where it is possible that no rule matches.
    no_match: bool,
    /// Two policies of the same priority disagree.
    conflict: bool,
}

impl Compiled {
    /// Returns the outcome of policies sorted by priority, each given with whether the pod is its subject.
    pub(super) fn tier_outcome<'a>(
        &self,
        policies: impl Iterator<Item = (&'a TierPolicy, Truth)>,
        view: &View<'_>,
    ) -> TierOutcome {
        let (mut tier, mut equals, mut priority) = (TierOutcome::NO_MATCH, TierOutcome::NO_MATCH, None);
        for (policy, subject) in policies {
            if priority != Some(policy.written.priority) {
                tier = tier.with_lower(equals);
                if !tier.no_match {
                    return tier;
                }
                (equals, priority) = (TierOutcome::NO_MATCH, Some(policy.written.priority));
            }
            equals = equals.with_equal(self.policy_outcome(policy, subject, view));
        }
        tier.with_lower(equals)
    }

    fn policy_outcome(&self, policy: &TierPolicy, subject: Truth, view: &View<'_>) -> TierOutcome {
        let mut outcome = TierOutcome::NO_MATCH;
        for rule in &policy.rules[view.direction as usize] {
            let (matched, action) = self.tier_rule(rule, view);
            let matched = matched.min(subject);
            if matched != Truth::No {
                outcome.actions |= bit(action);
            }
            if matched == Truth::Yes {
                outcome.no_match = false;
                break;
            }
        }
        outcome
    }

    /// Returns whether a rule matches, and what it then does. An Accept rule with a peer that can't be read accepts nothing;
    /// any other denies everything.
    fn tier_rule(&self, rule: &TierRule, view: &View<'_>) -> (Truth, Action) {
        match (&rule.peers, rule.action) {
            (TierPeers::Unreadable, Action::Accept) => (Truth::No, Action::Accept),
            (TierPeers::Unreadable, Action::Deny | Action::Pass) => (Truth::Yes, Action::Deny),
            (TierPeers::Any(peers), action) => {
                let ports = rule.ports.as_ref().map_or(Truth::Yes, |ports| any_port(ports, view));
                if ports == Truth::No {
                    return (Truth::No, action);
                }
                (ports.min(Truth::any(peers.iter().map(|peer| self.tier_peer(peer, view)))), action)
            }
        }
    }

    fn tier_peer(&self, peer: &AnyPeer, view: &View<'_>) -> Truth {
        match (peer, view.direction) {
            (AnyPeer::Pods(peer), _) => match &view.peer.who {
                Known::Pod(seen) => self.matches_pod(*peer, seen),
                Known::Node(_) | Known::External => Truth::No,
                Known::Unknown => Truth::Maybe,
            },
            (_, Direction::Ingress) => Truth::No,
            (AnyPeer::Nodes(selector), _) => self.nodes.matches(selector, view.peer),
            (AnyPeer::Networks(ranges), _) => {
                view.peer.ip.map_or(Truth::Maybe, |ip| ranges.contains(ip).into())
            }
            (AnyPeer::Domains, _) => match &view.peer.who {
                Known::Pod(_) | Known::Node(_) => Truth::No,
                Known::External | Known::Unknown => Truth::Maybe,
            },
        }
    }
}

impl TierOutcome {
    const NO_MATCH: Self = Self { actions: 0, no_match: true, conflict: false };

    /// Returns the decision. Calls `below` where this tier may leave the decision to the next one.
    pub(super) fn or_below(self, below: impl FnOnce() -> Decision) -> Decision {
        if self.conflict {
            return Decision::Unknown;
        }
        let has = |action| self.actions & bit(action) != 0;
        let accept = has(Action::Accept).then_some(Decision::Allow);
        let deny = has(Action::Deny).then_some(Decision::Deny);
        let below = (has(Action::Pass) || self.no_match).then(below);
        let possible = [accept, deny, below].into_iter().flatten();
        possible.reduce(|a, b| if a == b { a } else { Decision::Unknown }).unwrap_or(Decision::Allow)
    }

    /// Adds the outcome of a policy with the same priority.
    fn with_equal(self, other: Self) -> Self {
        let actions = self.actions | other.actions;
        let both = self.actions != 0 && other.actions != 0;
        let conflict = self.conflict || other.conflict || both && actions.count_ones() > 1;
        Self { actions, no_match: self.no_match && other.no_match, conflict }
    }

    /// Adds the outcome of a lower priority, which counts where nothing matched.
    fn with_lower(self, next: Self) -> Self {
        let (actions, conflict) = (self.actions | next.actions, self.conflict || next.conflict);
        Self { actions, no_match: next.no_match, conflict }
    }
}

fn bit(action: Action) -> u8 {
    match action {
        Action::Accept => 1,
        Action::Deny => 2,
        Action::Pass => 4,
    }
}

fn any_port(ports: &[TierPort], view: &View<'_>) -> Truth {
    Truth::any(ports.iter().map(|entry| match entry {
        TierPort::Range { protocol, first, last } => {
            (*protocol == view.protocol && (*first..=*last).contains(&view.port)).into()
        }
        TierPort::Named(name) => named(name, view),
    }))
}
