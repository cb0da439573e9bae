//! The decisions of kube-router, where they differ from the specification.

use std::net::IpAddr;

use flow_model::decision::Decision;
use flow_model::policies::{Direction, PortSet};
use ipnet::IpNet;

use crate::compiled::Compiled;
use crate::compiled::judge::{by_block, port};
use crate::compiled::program::{Names, Policy, Rule};
use crate::compiled::sides::{Known, Seen, View};
use crate::compiled::truth::Truth;

impl Compiled {
    /// Judges a pod's way to itself through a Service: what one direction admits is admitted.
    pub(super) fn itself(&self, view: &View<'_>, seen: &Seen<'_>) -> Decision {
        match (self.in_tiers(view, seen), self.in_tiers(&view.reversed(), seen)) {
            (Decision::Allow, _) | (_, Decision::Allow) => Decision::Allow,
            (Decision::Unknown, _) | (_, Decision::Unknown) => Decision::Unknown,
            (Decision::Deny, Decision::Deny) => Decision::Deny,
        }
    }

    /// Returns whether a rule of the other direction admits, of a policy that selects both sides.
    pub(super) fn crosswise(&self, view: &View<'_>, seen: &Seen<'_>) -> Truth {
        let crosswise = view.reversed();
        let mut both =
            self.selecting(view, seen).filter(|policy| !rules_of(policy, crosswise.direction).is_empty());
        match &view.peer.who {
            Known::Node(_) | Known::External => Truth::No,
            Known::Unknown => both.next().map_or(Truth::No, |_| Truth::Maybe),
            Known::Pod(peer) => {
                let selected = both.filter(|policy| self.is_selected(policy, peer));
                Truth::any(
                    selected
                        .flat_map(|policy| rules_of(policy, crosswise.direction))
                        .map(|rule| self.admits(rule, &crosswise)),
                )
            }
        }
    }

    /// Returns whether a rule with names of ports admits.
    pub(super) fn admits_by_name(&self, rule: &Rule, names: &Names, view: &View<'_>) -> Truth {
        let of = |is_name: bool| {
            let entries = rule.ports.iter().filter(|e| matches!(e.port, PortSet::Named(_)) == is_name);
            Truth::any(entries.map(|entry| port(entry, view)))
        };
        let (numbers, named) = (of(false), of(true));
        if rule.anybody {
            let everywhere = || names.numbers.binary_search(&(view.protocol, view.port)).is_ok().into();
            return numbers.max(if view.direction == Direction::Ingress { named } else { everywhere() });
        }
        let to_pods = if names.open { Truth::Yes } else { numbers.max(named) };
        let to_blocks = if view.direction == Direction::Ingress { numbers.max(named) } else { numbers };
        let by_pods = self.by_selector(rule, view.peer).min(to_pods);
        by_pods.max(by_block(rule, view).min(to_blocks))
    }

    /// Is true where the policy selects the pod.
    pub(super) fn is_selected(&self, policy: &Policy, seen: &Seen<'_>) -> bool {
        policy.written.namespace == seen.pod.namespace
            && policy.selector.is_none_or(|selector| self.has_labels(selector, seen))
    }
}

fn rules_of(policy: &Policy, direction: Direction) -> &[Rule] {
    policy.rules[direction as usize].as_deref().unwrap_or_default()
}

/// Returns whether one set of networks and exceptions has an address that a block admits: the longest prefix decides.
pub(super) fn in_set(networks: &[(IpNet, bool)], ip: IpAddr) -> Truth {
    let mut longest = [None; 2];
    for (network, is_exception) in networks.iter().filter(|(network, _)| network.contains(&ip)) {
        let length = &mut longest[usize::from(*is_exception)];
        *length = (*length).max(Some(network.prefix_len().max(1)));
    }
    let [block, exception] = longest;
    match () {
        () if exception.is_none() || block > exception => Truth::Yes,
        () if block < exception => Truth::No,
        () => Truth::Maybe,
    }
}
