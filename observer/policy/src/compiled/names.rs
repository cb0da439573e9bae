//! What names of ports stand for, by the pods that kube-router knows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Pod;
use flow_model::policies::{Direction, PortMatch, PortSet, Protocol};

use crate::compiled::Compiled;
use crate::compiled::program::{Names, Policy, Rule};
use crate::compiled::truth::Truth;

/// Holds the pods that have a port of a name, with the number, by name and protocol.
type Holders = HashMap<(ArcStr, ArcStr), Vec<(Arc<Pod>, u16)>>;

impl Compiled {
    /// Resolves the names of all rules anew. They depend on the pods, so this follows every change.
    pub(super) fn resolve_names(&mut self) {
        let named =
            |policy: &Policy| policy.rules.iter().flatten().flatten().any(|rule| rule.names.is_some());
        let slots: Vec<_> =
            self.policies.slots().filter(|(_, policy)| named(policy)).map(|(slot, _)| slot).collect();
        if slots.is_empty() {
            return;
        }
        let holders = self.holders();
        for slot in slots {
            let Some(policy) = self.policies.get(slot) else { continue };
            let resolved = [0, 1].map(|direction| self.names_of(policy, direction, &holders));
            let Some(policy) = self.policies.get_mut(slot) else { continue };
            for (rules, names) in policy.rules.iter_mut().zip(resolved) {
                let rules = rules.iter_mut().flat_map(|rules| rules.iter_mut());
                for (rule, names) in rules.zip(names) {
                    rule.names = names.map(Box::new);
                }
            }
        }
    }

    fn holders(&self) -> Holders {
        let mut holders = Holders::new();
        // kube-router takes no other pods into account, and no ports of sidecars.
        let known = |pod: &&Arc<Pod>| !pod.host_network && !pod.finished && !pod.ips.is_empty();
        for pod in self.inventory.pods.iter().filter(known) {
            for port in pod.ports.iter().filter(|port| !port.sidecar) {
                let Some(name) = &port.name else { continue };
                let key = (name.clone(), port.protocol.clone());
                holders.entry(key).or_default().push((Arc::clone(pod), port.port));
            }
        }
        holders
    }

    /// Returns the names of each rule of a policy in one direction.
    fn names_of(&self, policy: &Policy, direction: usize, holders: &Holders) -> Vec<Option<Names>> {
        let rules = policy.rules[direction].as_deref().unwrap_or_default();
        let names = |rule: &Rule| {
            rule.names.as_ref()?;
            let all = || rule.ports.iter().filter_map(name);
            let of = |(protocol, name): (Protocol, &ArcStr)| {
                holders.get(&(name.clone(), protocol.as_str().into())).map_or(&[][..], Vec::as_slice)
            };
            let only_names = all().count() == rule.ports.len();
            let resolves = || all().flat_map(of).any(|(pod, _)| self.concerns(policy, rule, direction, pod));
            let own = |pod: &Pod| pod.namespace == policy.written.namespace;
            // Only a rule of egress without peers reads the numbers.
            let is_read = direction == Direction::Egress as usize && rule.anybody;
            let numbers = all().filter(|_| is_read).flat_map(|one| {
                of(one).iter().filter(|(pod, _)| own(pod)).map(move |(_, number)| (one.0, *number))
            });
            let numbers: BTreeSet<_> = numbers.collect();
            Some(Names { open: only_names && !resolves(), numbers: numbers.into_iter().collect() })
        };
        rules.iter().map(names).collect()
    }

    /// Is true for a pod whose names the rule resolves: for ingress one that the policy selects, for egress a peer.
    fn concerns(&self, policy: &Policy, rule: &Rule, direction: usize, pod: &Pod) -> bool {
        let seen = self.seen(pod);
        match direction {
            0 => self.is_selected(policy, &seen),
            _ => rule.pods.iter().any(|peer| self.matches_pod(*peer, &seen) != Truth::No),
        }
    }
}

fn name(entry: &PortMatch) -> Option<(Protocol, &ArcStr)> {
    match &entry.port {
        PortSet::Named(name) => Some((entry.protocol, name)),
        PortSet::All | PortSet::Range(..) => None,
    }
}
