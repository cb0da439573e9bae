//! Following the changes of an inventory. A change costs only what depends on it.

use std::collections::HashMap;
use std::sync::Arc;

use flow_model::inventory::{Inventory, Pod};
use flow_model::network::Enforcer;
use flow_model::policies::{Direction, Tier};

use crate::compiled::Compiled;
use crate::compiled::address::{ByAddress, address};
use crate::compiled::nodes::Nodes;

impl Compiled {
    /// Continues with another inventory. Unchanged objects cost little, and least if they are the same allocation.
    pub fn update(&mut self, inventory: Arc<Inventory>) {
        // The old inventory lives until the end, so that no new object gets the address of an old one.
        let old = std::mem::replace(&mut self.inventory, inventory);
        let new = &*Arc::clone(&self.inventory);
        if !is_same(&old.nodes, &new.nodes) {
            self.nodes = Nodes::new(&new.nodes);
        }
        let relabelled = self.update_namespaces(&old, new);
        let (was, now) = (&old.policies, &new.policies);
        if !is_same(&was.namespaced, &now.namespaced) {
            self.update_policies(new);
        }
        let tiered = !is_same(&was.tiered, &now.tiered) || !is_same(&was.broken, &now.broken);
        if tiered {
            self.update_tiers(new);
        }
        self.refill(tiered, &relabelled);
        if !is_same(&old.pods, &new.pods) {
            self.update_pods(&new.pods);
        }
        self.enforcer = new.enforcer;
        if self.enforcer == Enforcer::KubeRouter {
            self.resolve_names();
        }
        self.acts =
            [Direction::Ingress, Direction::Egress].map(|direction| self.could_act(direction as usize));
    }

    /// Updates namespaces that came, went, or have other labels. Returns those that different selectors may match now.
    fn update_namespaces(&mut self, old: &Inventory, new: &Inventory) -> Vec<u32> {
        if is_same(&old.namespaces, &new.namespaces) {
            return Vec::new();
        }
        let by_name = |of: &Inventory| -> HashMap<_, _> {
            of.namespaces.iter().map(|object| (object.name.clone(), Arc::clone(object))).collect()
        };
        let (old, new) = (by_name(old), by_name(new));
        let spaces = &mut self.tables.spaces;
        let mut changed = Vec::new();
        for (name, object) in &new {
            let space = spaces.acquire(name);
            changed.extend(spaces.set_object(space, name, Some(object)).then_some(space));
        }
        for name in old.keys() {
            let Some(space) = spaces.find(name) else { continue };
            if !new.contains_key(name) && spaces.set_object(space, name, None) {
                changed.push(space);
            }
            spaces.release(space);
        }
        changed
    }

    /// Updates NetworkPolicies. New ones go first, so that selectors which they share with old ones keep their numbers.
    fn update_policies(&mut self, new: &Inventory) {
        let changes = self.policies.compare(&new.policies.namespaced);
        for written in changes.added {
            let policy = self.tables.policy(written);
            let space = policy.space;
            let slot = self.policies.add(policy);
            let (Some(policy), Some(space)) = (self.policies.get(slot), self.tables.spaces.get_mut(space))
            else {
                continue;
            };
            space.policies.push(slot);
            for group in space.groups.clone() {
                if let Some(group) = self.groups.get_mut(group) {
                    group.add(slot, policy, &self.tables.labels);
                }
            }
        }
        for slot in changes.removed {
            self.remove_policy(slot);
        }
    }

    fn remove_policy(&mut self, slot: u32) {
        let Some(policy) = self.policies.remove(slot) else { return };
        if let Some(space) = self.tables.spaces.get_mut(policy.space) {
            space.policies.retain(|other| *other != slot);
            for group in &space.groups {
                if let Some(group) = self.groups.get_mut(*group) {
                    group.remove(slot);
                }
            }
        }
        self.tables.release(&policy.uses);
    }

    fn update_tiers(&mut self, new: &Inventory) {
        let tiers = [Tier::Admin, Tier::Baseline].map(|tier| {
            let mut written: Vec<_> =
                new.policies.tiered.iter().filter(|policy| policy.tier == tier).collect();
            written.sort_by_key(|policy| policy.priority);
            written.into_iter().map(|policy| self.tables.tier_policy(policy)).collect()
        });
        let broken = new.policies.broken.iter().map(|policy| self.tables.broken(policy)).collect();
        let tiers = std::mem::replace(&mut self.tiers, tiers);
        tiers.iter().flatten().for_each(|policy| self.tables.release(&policy.uses));
        let broken = std::mem::replace(&mut self.broken, broken);
        broken.iter().for_each(|policy| self.tables.release(&policy.uses));
    }

    /// Updates which policies of all namespaces act on which groups: on all groups, or on those of some namespaces.
    fn refill(&mut self, all: bool, spaces: &[u32]) {
        let of_spaces = || spaces.iter().filter_map(|space| self.tables.spaces.get(*space));
        let groups = match all {
            true => self.groups.ids(),
            false => of_spaces().flat_map(|space| space.groups.iter().copied()).collect(),
        };
        for group in groups {
            if let Some(group) = self.groups.get_mut(group) {
                group.refill(&self.tiers, &self.broken, &self.tables);
            }
        }
    }

    fn update_pods(&mut self, new: &[Arc<Pod>]) {
        let room = ByAddress::with_capacity_and_hasher(new.len(), Default::default());
        let mut old = std::mem::replace(&mut self.pods, room);
        for pod in new.iter().filter(|pod| !pod.finished && !pod.host_network) {
            // A pod that is known keeps its use of the group.
            let group = old.remove(&address(pod)).unwrap_or_else(|| self.acquire_group(pod));
            if let Some(twice) = self.pods.insert(address(pod), group) {
                self.release_group(twice);
            }
        }
        old.into_values().for_each(|group| self.release_group(group));
    }

    fn acquire_group(&mut self, pod: &Arc<Pod>) -> u32 {
        let (space, labels) = (self.tables.spaces.acquire(&pod.namespace), self.tables.labels.acquire(pod));
        let (id, new) = self.groups.acquire(space, labels);
        if !new {
            self.release_parts(space, labels);
            return id;
        }
        if let (Some(group), Some(space)) = (self.groups.get_mut(id), self.tables.spaces.get_mut(space)) {
            space.groups.push(id);
            for slot in &space.policies {
                if let Some(policy) = self.policies.get(*slot) {
                    group.add(*slot, policy, &self.tables.labels);
                }
            }
            group.refill(&self.tiers, &self.broken, &self.tables);
        }
        id
    }

    fn release_group(&mut self, group: u32) {
        let Some((space, labels)) = self.groups.release(group) else { return };
        if let Some(space) = self.tables.spaces.get_mut(space) {
            space.groups.retain(|other| *other != group);
        }
        self.release_parts(space, labels);
    }

    fn release_parts(&mut self, space: u32, labels: u32) {
        self.tables.spaces.release(space);
        self.tables.labels.release(labels);
    }

    fn could_act(&self, direction: usize) -> bool {
        self.policies.iter().any(|policy| policy.rules[direction].is_some())
            || self.tiers.iter().flatten().any(|policy| !policy.rules[direction].is_empty())
            || self.broken.iter().any(|policy| policy.acts[direction])
    }
}

fn is_same<T>(a: &[Arc<T>], b: &[Arc<T>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| Arc::ptr_eq(a, b))
}
