//! The tier of NetworkPolicy: a pod that a policy selects is isolated, and any rule of any policy admits.

use flow_model::inventory::Pod;
use flow_model::policies::{Direction, NetworkPolicy, Rule};

use crate::plain::{Basis, Match, Plain, RuleRef, View, broken, ports};
use crate::readings;

impl Plain {
    /// Returns the policies that isolate the pod in this direction.
    pub(super) fn selecting<'a>(
        &'a self,
        direction: Direction,
        pod: &'a Pod,
    ) -> impl Iterator<Item = &'a NetworkPolicy> {
        self.of_namespace(&pod.namespace).filter(move |policy| {
            readings::rules(policy, direction).is_some() && policy.selector.matches(&pod.labels)
        })
    }

    /// Returns the policies of a namespace, in order of their names.
    pub(crate) fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = &NetworkPolicy> {
        self.policies.get(namespace).into_iter().flatten().map(AsRef::as_ref)
    }

    /// Judges by NetworkPolicies. If one selects the pod this tier is final, else the Baseline tier decides.
    pub(super) fn network_policies<'a>(&'a self, view: &View<'a>, pod: &'a Pod) -> Basis<'a> {
        let isolated = self.selecting(view.direction, pod).next().is_some();
        let broken = self.broken_namespaced(view.direction, pod).map(broken::why);
        let below = || self.below_network_policies(view, pod);
        match (isolated, broken) {
            (false, None) => below(),
            (true, None) => self.admitted(view, pod),
            // Policies are ORed: one more can only add rules.
            (true, Some(why)) => self.admitted(view, pod).unless_denied(why),
            // The broken policy may isolate the pod, and then admit or not. Its own node is let through in any case.
            (false, Some(why)) if view.lets_own_node(pod) == Match::Yes => {
                Basis::OwnNode.either(below(), why)
            }
            (false, Some(why)) => Basis::Unknown(why),
        }
    }

    /// Judges an isolated pod.
    fn admitted<'a>(&'a self, view: &View<'a>, pod: &'a Pod) -> Basis<'a> {
        let own_node = view.lets_own_node(pod);
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
        if allowing.is_empty() && view.by_kube_router() {
            maybe = Match::any([maybe, self.kube_router_crosswise(view, pod)]);
            if maybe == Match::Yes {
                return Basis::Crosswise;
            }
        }
        match Match::any([maybe, own_node]) {
            _ if !allowing.is_empty() => Basis::Rules(allowing),
            Match::Maybe(why) => Basis::Unknown(why),
            Match::Yes | Match::No => Basis::Isolated,
        }
    }

    /// Returns every rule that could admit.
    pub(crate) fn rules_for<'a>(
        &'a self,
        view: &View<'a>,
        pod: &'a Pod,
    ) -> impl Iterator<Item = RuleRef<'a>> {
        let direction = view.direction;
        self.selecting(direction, pod).flat_map(move |policy| RuleRef::all(policy, direction))
    }

    /// Matches where any peer and any port match.
    pub(crate) fn rule_matches(&self, rule: RuleRef<'_>, view: &View<'_>) -> Match {
        let Some(body) = rule.body(view.direction) else { return Match::No };
        if view.by_kube_router() {
            return self.kube_router_rule(body, rule.policy, view);
        }
        self.peers_match(body, rule.policy, view).and(|| ports_match(body, view))
    }

    /// Matches where any peer matches. A rule without peers admits every party.
    pub(crate) fn peers_match(&self, rule: &Rule, policy: &NetworkPolicy, view: &View<'_>) -> Match {
        let peers = rule.peers.iter().map(|peer| self.peer(peer, &policy.namespace, &view.peer));
        if rule.peers.is_empty() { Match::Yes } else { Match::any(peers) }
    }
}

/// Matches where any port matches. A rule without ports admits all ports of all protocols.
pub(crate) fn ports_match(rule: &Rule, view: &View<'_>) -> Match {
    let ports = rule.ports.iter().map(|entry| ports::port(entry, view));
    if rule.ports.is_empty() { Match::Yes } else { Match::any(ports) }
}
