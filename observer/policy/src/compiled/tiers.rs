//! The Admin and Baseline tiers: by priority, then in the order of the rules, the first match decides.

use flow_model::decision::{Decision, Direction};
use flow_model::policies::{Action, TierPort};

use crate::compiled::Compiled;
use crate::compiled::judge::named;
use crate::compiled::program::{AnyPeer, TierPeers, TierPolicy, TierRule};
use crate::compiled::sides::{Known, View};
use crate::compiled::truth::Truth;

/// What a tier, or a policy of it, may say: more than one thing where facts are missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// A bit for each [`Action`].
    actions: u8,
    /// It may be that no rule matches.
    nothing: bool,
    /// Two policies of the same priority say different things.
    conflict: bool,
}

impl Compiled {
    /// What policies sorted by priority say, each with whether its subject is the pod.
    pub(super) fn said<'a>(
        &self,
        policies: impl Iterator<Item = (&'a TierPolicy, Truth)>,
        view: &View<'_>,
    ) -> Said {
        let (mut tier, mut equals, mut priority) = (Said::NOTHING, Said::NOTHING, None);
        for (policy, subject) in policies {
            if priority != Some(policy.written.priority) {
                tier = tier.then(equals);
                if !tier.nothing {
                    return tier;
                }
                (equals, priority) = (Said::NOTHING, Some(policy.written.priority));
            }
            equals = equals.beside(self.policy_says(policy, subject, view));
        }
        tier.then(equals)
    }

    fn policy_says(&self, policy: &TierPolicy, subject: Truth, view: &View<'_>) -> Said {
        let mut said = Said::NOTHING;
        for rule in &policy.rules[view.direction as usize] {
            let (matched, action) = self.tier_rule(rule, view);
            let matched = matched.min(subject);
            if matched != Truth::No {
                said.actions |= bit(action);
            }
            if matched == Truth::Yes {
                said.nothing = false;
                break;
            }
        }
        said
    }

    /// One with a peer that can't be read accepts nothing, or else denies everything.
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
                Known::Pod(seen) => self.is_meant(*peer, seen),
                Known::Node(_) | Known::External => Truth::No,
                Known::Unknown => Truth::Maybe,
            },
            (_, Direction::Ingress) => Truth::No,
            (AnyPeer::Nodes(selector), _) => self.nodes.is_meant(selector, view.peer),
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

impl Said {
    const NOTHING: Self = Self { actions: 0, nothing: true, conflict: false };

    /// The decision, asking further where this tier is left.
    pub(super) fn or_below(self, below: impl FnOnce() -> Decision) -> Decision {
        if self.conflict {
            return Decision::Unknown;
        }
        let has = |action| self.actions & bit(action) != 0;
        let accept = has(Action::Accept).then_some(Decision::Allow);
        let deny = has(Action::Deny).then_some(Decision::Deny);
        let below = (has(Action::Pass) || self.nothing).then(below);
        let possible = [accept, deny, below].into_iter().flatten();
        possible.reduce(|a, b| if a == b { a } else { Decision::Unknown }).unwrap_or(Decision::Allow)
    }

    /// Of policies with the same priority.
    fn beside(self, other: Self) -> Self {
        let actions = self.actions | other.actions;
        let both = self.actions != 0 && other.actions != 0;
        let conflict = self.conflict || other.conflict || both && actions.count_ones() > 1;
        Self { actions, nothing: self.nothing && other.nothing, conflict }
    }

    /// Of a lower priority, asked where nothing matched.
    fn then(self, next: Self) -> Self {
        let (actions, conflict) = (self.actions | next.actions, self.conflict || next.conflict);
        Self { actions, nothing: next.nothing, conflict }
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
