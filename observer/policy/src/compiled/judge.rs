//! The decisions, in the order of the specification.

use flow_model::decision::Decision;
use flow_model::network::Enforcer;
use flow_model::policies::{Direction, PortMatch, PortSet};

use crate::compiled::program::{Policy, Rule, Stage, TierPolicy};
use crate::compiled::sides::{Known, Seen, Side, View};
use crate::compiled::tiers::TierOutcome;
use crate::compiled::truth::Truth;
use crate::compiled::{Compiled, kube_router};
use crate::readings::{is_node_port, is_protocol, is_same_pod};

impl Compiled {
    pub(super) fn direction(&self, view: &View<'_>) -> Decision {
        match &view.subject.who {
            Known::External | Known::Node(_) => Decision::Allow,
            Known::Unknown if self.acts[view.direction as usize] => Decision::Unknown,
            Known::Unknown => Decision::Allow,
            Known::Pod(seen) => self.pod(view, seen),
        }
    }

    /// Judges a pod. Traffic from itself and (for ingress) from its own node is always allowed; then the tiers decide.
    fn pod(&self, view: &View<'_>, seen: &Seen<'_>) -> Decision {
        if matches!(&view.peer.who, Known::Pod(peer) if std::ptr::eq(peer.pod, seen.pod) || is_same_pod(peer.pod, seen.pod))
        {
            return if view.by_kube_router() { self.itself(view, seen) } else { Decision::Allow };
        }
        match (view.direction, own_node(view, seen)) {
            (Direction::Ingress, Truth::Yes) => Decision::Allow,
            (Direction::Ingress, Truth::Maybe) => unless_denied(self.in_tiers(view, seen)),
            _ => self.in_tiers(view, seen),
        }
    }

    pub(super) fn in_tiers(&self, view: &View<'_>, seen: &Seen<'_>) -> Decision {
        if self.is_broken(Stage::Admin, view, seen) {
            return Decision::Unknown;
        }
        self.tier(Stage::Admin, view, seen).or_below(|| self.network_policies(view, seen))
    }

    fn below_network_policies(&self, view: &View<'_>, seen: &Seen<'_>) -> Decision {
        if self.is_broken(Stage::Baseline, view, seen) {
            return Decision::Unknown;
        }
        self.tier(Stage::Baseline, view, seen).or_below(|| Decision::Allow)
    }

    /// Judges by NetworkPolicies. If one selects the pod this tier is final, else the Baseline tier decides.
    fn network_policies(&self, view: &View<'_>, seen: &Seen<'_>) -> Decision {
        let isolated = self.selecting(view, seen).next().is_some();
        match (isolated, self.is_broken(Stage::Namespaced, view, seen)) {
            (false, false) => self.below_network_policies(view, seen),
            (true, false) => self.admitted(view, seen),
            (true, true) => unless_denied(self.admitted(view, seen)),
            // The broken policy may isolate the pod, and then admit or not. Its own node is let through in any case.
            (false, true) if lets_own_node(view, seen) == Truth::Yes => {
                unless_denied(self.below_network_policies(view, seen))
            }
            (false, true) => Decision::Unknown,
        }
    }

    /// Returns the policies that isolate the pod in this direction.
    pub(super) fn selecting<'a>(
        &'a self,
        view: &View<'_>,
        seen: &Seen<'a>,
    ) -> impl Iterator<Item = &'a Policy> {
        let (direction, seen) = (view.direction as usize, *seen);
        let of_group = seen.group.map(|group| &group.selecting[direction]);
        let of_space = || Some(&self.tables.spaces.get(seen.space?)?.policies);
        let slots = of_group.or_else(of_space).into_iter().flatten();
        let selects = move |policy: &&Policy| {
            of_group.is_some()
                || policy.rules[direction].is_some()
                    && policy.selector.is_none_or(|selector| self.has_labels(selector, &seen))
        };
        slots.filter_map(|slot| self.policies.get(*slot)).filter(selects)
    }

    /// Judges an isolated pod.
    fn admitted(&self, view: &View<'_>, seen: &Seen<'_>) -> Decision {
        let own_node = lets_own_node(view, seen);
        if own_node == Truth::Yes {
            return Decision::Allow;
        }
        let direction = view.direction as usize;
        let rules =
            self.selecting(view, seen).filter_map(|policy| policy.rules[direction].as_deref()).flatten();
        let mut admitted = Truth::any(rules.map(|rule| self.admits(rule, view)));
        if view.by_kube_router() && admitted != Truth::Yes {
            admitted = admitted.max(self.crosswise(view, seen));
        }
        match admitted.max(own_node) {
            Truth::Yes => Decision::Allow,
            Truth::Maybe => Decision::Unknown,
            Truth::No => Decision::Deny,
        }
    }

    /// Returns whether any peer and any port match. Ports go first because they cost less.
    pub(super) fn admits(&self, rule: &Rule, view: &View<'_>) -> Truth {
        if view.by_kube_router()
            && let Some(names) = &rule.names
        {
            return self.admits_by_name(rule, names, view);
        }
        let ports = || Truth::any(rule.ports.iter().map(|entry| port(entry, view)));
        let ports = if rule.ports.is_empty() { Truth::Yes } else { ports() };
        if ports == Truth::No || rule.anybody {
            return ports;
        }
        ports.min(self.by_selector(rule, view.peer).max(by_block(rule, view)))
    }

    pub(super) fn by_selector(&self, rule: &Rule, peer: &Side<'_>) -> Truth {
        match &peer.who {
            Known::Pod(seen) => Truth::any(rule.pods.iter().map(|peer| self.matches_pod(*peer, seen))),
            Known::Node(_) | Known::External => Truth::No,
            Known::Unknown if rule.pods.is_empty() => Truth::No,
            Known::Unknown => Truth::Maybe,
        }
    }

    /// Is true if a policy that can't be read may act on the pod.
    fn is_broken(&self, stage: Stage, view: &View<'_>, seen: &Seen<'_>) -> bool {
        let direction = view.direction as usize;
        match seen.group {
            Some(group) => group.broken[stage as usize][direction],
            None => self
                .broken
                .iter()
                .filter(|broken| broken.stage == stage && broken.acts[direction])
                .any(|broken| self.matches_pod(broken.subject, seen) != Truth::No),
        }
    }

    /// Returns the outcome of one tier.
    fn tier<'a>(&'a self, stage: Stage, view: &View<'_>, seen: &Seen<'_>) -> TierOutcome {
        let tier = usize::from(stage == Stage::Baseline);
        let policies = &self.tiers[tier];
        let known = |(slot, subject): &(u32, Truth)| Some((policies.get(*slot as usize)?, *subject));
        let with_subject = |policy: &'a TierPolicy| (policy, self.matches_pod(policy.subject, seen));
        match seen.group {
            Some(group) => self.tier_outcome(group.tiers[tier].iter().filter_map(known), view),
            None => self.tier_outcome(policies.iter().map(with_subject), view),
        }
    }
}

fn unless_denied(decision: Decision) -> Decision {
    if decision == Decision::Deny { Decision::Unknown } else { decision }
}

/// Returns whether the other side is the node that the pod runs on.
fn own_node(view: &View<'_>, seen: &Seen<'_>) -> Truth {
    match (view.peer.who, &seen.pod.node) {
        (Known::Node(node), Some(own)) if !node.is_empty() => (node == own).into(),
        (Known::Node(_), _) => Truth::Maybe,
        (Known::Pod(_) | Known::External | Known::Unknown, _) => Truth::No,
    }
}

/// Returns whether the other side is the pod's node, and the enforcer lets every connection between the two pass.
fn lets_own_node(view: &View<'_>, seen: &Seen<'_>) -> Truth {
    let policed = view.by_kube_router() && view.direction == Direction::Egress;
    if policed && !is_node_port(view.protocol, view.port) { Truth::No } else { own_node(view, seen) }
}

/// Returns whether a block matches the address, whatever has it. Cilium's blocks are about what is outside the cluster.
pub(super) fn by_block(rule: &Rule, view: &View<'_>) -> Truth {
    let Side { ip, who } = view.peer;
    match ip {
        _ if !rule.has_blocks => Truth::No,
        None => Truth::Maybe,
        Some(ip) if !rule.blocks.contains(*ip) => Truth::No,
        Some(ip) if view.by_kube_router() => kube_router::in_set(&rule.networks, *ip),
        Some(_) if view.enforcer == Enforcer::Cilium && !matches!(who, Known::External) => Truth::Maybe,
        Some(_) => Truth::Yes,
    }
}

pub(super) fn port(entry: &PortMatch, view: &View<'_>) -> Truth {
    if entry.protocol != view.protocol {
        return Truth::No;
    }
    match &entry.port {
        PortSet::All => Truth::Yes,
        PortSet::Range(first, last) => (*first..=*last).contains(&view.port).into(),
        PortSet::Named(name) => named(name, view),
    }
}

/// Returns whether the destination pod has a container port of this name at the connection's port and protocol.
pub(super) fn named(name: &str, view: &View<'_>) -> Truth {
    match &view.destination.who {
        Known::Pod(seen) => {
            let ports = seen.pod.ports.iter().filter(|port| port.port == view.port);
            let named = ports.filter(|port| port.name.as_deref() == Some(name));
            let known = named.filter(|port| !(port.sidecar && view.by_kube_router()));
            known.into_iter().any(|port| is_protocol(port, view.protocol)).into()
        }
        Known::Node(_) | Known::External => Truth::No,
        Known::Unknown => Truth::Maybe,
    }
}
