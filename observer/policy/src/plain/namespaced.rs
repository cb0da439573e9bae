//! The tier of NetworkPolicy: whoever is selected is isolated, and any rule of any policy admits.

use flow_model::inventory::Pod;
use flow_model::policies::{NetworkPolicy, Rule};

use crate::plain::{Basis, Direction, Match, Plain, RuleRef, View, broken, ports, rules};

impl Plain {
    /// Policies that isolate the pod in this direction.
    pub(super) fn selecting<'a>(
        &'a self,
        direction: Direction,
        pod: &'a Pod,
    ) -> impl Iterator<Item = &'a NetworkPolicy> {
        self.of_namespace(&pod.namespace)
            .filter(move |policy| rules(policy, direction).is_some() && policy.selector.matches(&pod.labels))
    }

    /// Policies of a namespace, in order of their names.
    pub(crate) fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = &NetworkPolicy> {
        self.policies.get(namespace).into_iter().flatten().map(AsRef::as_ref)
    }

    /// If a policy selects the pod this tier is final; else the Baseline tier is asked.
    pub(super) fn network_policies<'a>(&'a self, view: &View<'a>, pod: &'a Pod) -> Basis<'a> {
        let isolated = self.selecting(view.direction, pod).next().is_some();
        let broken = self.broken_namespaced(view.direction, pod).map(broken::why);
        let below = || self.below_network_policies(view, pod);
        match (isolated, broken) {
            (false, None) => below(),
            (true, None) => self.admitted(view, pod),
            // Policies are ORed: one more can only add rules.
            (true, Some(why)) => self.admitted(view, pod).unless_denied(why),
            // It may isolate the pod, and then admit or not, unless its own node is let through in any case.
            (false, Some(why)) if view.own_node(pod) == Match::Yes => Basis::OwnNode.either(below(), why),
            (false, Some(why)) => Basis::Unknown(why),
        }
    }

    /// Of an isolated pod.
    fn admitted<'a>(&'a self, view: &View<'a>, pod: &'a Pod) -> Basis<'a> {
        let own_node = view.own_node(pod);
        if own_node == Match::Yes {
            return Basis::OwnNode;
        }
        let mut allowing = Vec::new();
        let mut maybe = Match::No;
        for rule in self.rules_for(view, pod) {
            match self.rule_matches(rule, view) {
                Match::Yes => allowing.push(rule),
                other => maybe = Match::any([maybe, other]),
            }
        }
        match Match::any([maybe, own_node]) {
            _ if !allowing.is_empty() => Basis::Rules(allowing),
            Match::Maybe(why) => Basis::Unknown(why),
            Match::Yes | Match::No => Basis::Isolated,
        }
    }

    /// Every rule that could admit.
    pub(crate) fn rules_for<'a>(
        &'a self,
        view: &View<'a>,
        pod: &'a Pod,
    ) -> impl Iterator<Item = RuleRef<'a>> {
        let direction = view.direction;
        self.selecting(direction, pod).flat_map(move |policy| RuleRef::all(policy, direction))
    }

    /// (any peer) and (any port).
    pub(crate) fn rule_matches(&self, rule: RuleRef<'_>, view: &View<'_>) -> Match {
        let Some(body) = rule.body(view.direction) else { return Match::No };
        self.peers_match(body, rule.policy, view).and(|| ports_match(body, view))
    }

    /// No peers: whoever it is.
    pub(crate) fn peers_match(&self, rule: &Rule, policy: &NetworkPolicy, view: &View<'_>) -> Match {
        let peers = rule.peers.iter().map(|peer| self.peer(peer, &policy.namespace, &view.peer));
        if rule.peers.is_empty() { Match::Yes } else { Match::any(peers) }
    }
}

/// No ports: all of all protocols.
pub(crate) fn ports_match(rule: &Rule, view: &View<'_>) -> Match {
    let ports = rule.ports.iter().map(|entry| ports::port(entry, view));
    if rule.ports.is_empty() { Match::Yes } else { Match::any(ports) }
}

impl<'a> RuleRef<'a> {
    /// The rules of a policy in a direction, in order.
    pub(crate) fn all(policy: &'a NetworkPolicy, direction: Direction) -> impl Iterator<Item = Self> {
        let count = rules(policy, direction).map_or(0, <[Rule]>::len);
        (0..count).map(move |index| Self { policy, index })
    }

    pub(crate) fn body(self, direction: Direction) -> Option<&'a Rule> {
        rules(self.policy, direction)?.get(self.index)
    }
}
