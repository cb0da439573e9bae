//! Groups of pods that no policy can distinguish, because they share their namespace and their labels.

use crate::compiled::intern::Interner;
use crate::compiled::labels::LabelSets;
use crate::compiled::program::{Broken, Policy, Stage, Tables, TierPolicy};
use crate::compiled::truth::Truth;

/// Names a policy of a tier by its place there, and whether the group is its subject.
pub(super) type Subject = (u32, Truth);

/// Holds the groups of pods, and which policies act on each.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    keys: Interner<(u32, u32)>,
    groups: Vec<Group>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) space: u32,
    pub(super) labels: u32,
    /// NetworkPolicies that isolate the group's pods, by direction.
    pub(super) selecting: [Vec<u32>; 2],
    /// Policies of the Admin and the Baseline tier that may have the group's pods as subjects, by priority.
    pub(super) tiers: [Vec<Subject>; 2],
    /// Holds, by stage and direction, whether a policy that can't be read may act on the group's pods.
    pub(super) broken: [[bool; 2]; 3],
}

impl Groups {
    /// Returns the group of a namespace and a set of labels, and whether it is new and still without policies.
    pub(super) fn acquire(&mut self, space: u32, labels: u32) -> (u32, bool) {
        let (id, new) = self.keys.acquire(&(space, labels), || (space, labels));
        if new {
            self.groups.resize_with(self.keys.bound().max(self.groups.len()), Group::default);
            self.groups[id as usize] = Group { space, labels, ..Group::default() };
        }
        (id, new)
    }

    /// Ends one use. Returns the group's namespace and labels if that was the last.
    pub(super) fn release(&mut self, group: u32) -> Option<(u32, u32)> {
        if !self.keys.release(group) {
            return None;
        }
        let Group { space, labels, .. } = std::mem::take(self.groups.get_mut(group as usize)?);
        Some((space, labels))
    }

    pub(super) fn find(&self, space: u32, labels: u32) -> Option<&Group> {
        self.get(self.keys.find(&(space, labels))?)
    }

    pub(super) fn get(&self, group: u32) -> Option<&Group> {
        self.groups.get(group as usize)
    }

    pub(super) fn get_mut(&mut self, group: u32) -> Option<&mut Group> {
        self.groups.get_mut(group as usize)
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        self.keys.iter().map(|(id, _)| id).collect()
    }

    pub(super) fn memory(&self) -> usize {
        let of_group = |group: &Group| {
            let selecting: usize =
                group.selecting.iter().map(|list| list.capacity() * size_of::<u32>()).sum();
            let tiers: usize = group.tiers.iter().map(|list| list.capacity() * size_of::<Subject>()).sum();
            selecting + tiers
        };
        let groups = self.groups.capacity() * size_of::<Group>();
        self.keys.memory() + groups + self.groups.iter().map(of_group).sum::<usize>()
    }
}

impl Group {
    /// Adds a NetworkPolicy of the group's namespace, if it selects the group's pods.
    pub(super) fn add(&mut self, slot: u32, policy: &Policy, labels: &LabelSets) {
        let selects = policy.selector.is_none_or(|selector| labels.holds(selector, self.labels));
        for (list, rules) in self.selecting.iter_mut().zip(&policy.rules) {
            if selects && rules.is_some() {
                list.push(slot);
            }
        }
    }

    pub(super) fn remove(&mut self, slot: u32) {
        self.selecting.iter_mut().for_each(|list| list.retain(|other| *other != slot));
    }

    /// Replaces the policies that apply to all namespaces.
    pub(super) fn refill(&mut self, tiers: &[Vec<TierPolicy>; 2], broken: &[Broken], tables: &Tables) {
        let (space, labels) = (self.space, self.labels);
        for (list, tier) in self.tiers.iter_mut().zip(tiers) {
            let subjects =
                (0..).zip(tier).map(|(slot, policy)| (slot, tables.holds(policy.subject, space, labels)));
            list.clear();
            list.extend(subjects.filter(|(_, subject)| *subject != Truth::No));
        }
        self.broken = Stage::ALL.map(|stage| {
            [0, 1].map(|direction| {
                let acting = broken.iter().filter(|broken| broken.stage == stage && broken.acts[direction]);
                acting.into_iter().any(|broken| tables.holds(broken.subject, space, labels) != Truth::No)
            })
        });
    }
}
