//! NetworkPolicies in numbered slots, identified by the address of the written policy.

use std::collections::HashMap;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::policies::NetworkPolicy;

use crate::compiled::address::{ByAddress, address};
use crate::compiled::intern::insert;
use crate::compiled::program::Policy;

#[derive(Clone, Debug, Default)]
pub(super) struct Policies {
    slots: Vec<Option<Policy>>,
    free: Vec<u32>,
    /// The slots by the address of [`Policy::written`].
    by_address: ByAddress<u32>,
}

/// Lists the changes that lead to another list of policies.
#[derive(Debug, Default)]
pub(super) struct Changes<'a> {
    pub(super) added: Vec<&'a Arc<NetworkPolicy>>,
    pub(super) removed: Vec<u32>,
}

impl Policies {
    /// Compares with a new list. A policy that was read again without a change stays in its slot.
    pub(super) fn compare<'a>(&mut self, new: &'a [Arc<NetworkPolicy>]) -> Changes<'a> {
        let mut old = std::mem::take(&mut self.by_address);
        let mut unknown = Vec::new();
        for policy in new {
            let address = address(policy);
            match old.remove(&address) {
                Some(slot) => drop(self.by_address.insert(address, slot)),
                None if self.by_address.contains_key(&address) => {}
                None => unknown.push(policy),
            }
        }
        let mut gone: HashMap<(ArcStr, ArcStr), u32> = HashMap::new();
        let mut removed = Vec::new();
        for slot in old.into_values() {
            let Some(policy) = self.get(slot) else { continue };
            let key = (policy.written.namespace.clone(), policy.written.name.clone());
            removed.extend(gone.insert(key, slot));
        }
        unknown.retain(|policy| !self.is_same(&mut gone, policy));
        removed.extend(gone.into_values());
        Changes { added: unknown, removed }
    }

    fn is_same(&mut self, gone: &mut HashMap<(ArcStr, ArcStr), u32>, policy: &Arc<NetworkPolicy>) -> bool {
        let key = (policy.namespace.clone(), policy.name.clone());
        let Some(&slot) = gone.get(&key) else { return false };
        let Some(Some(kept)) = self.slots.get_mut(slot as usize) else { return false };
        if kept.written != *policy {
            return false;
        }
        kept.written = Arc::clone(policy);
        self.by_address.insert(address(policy), slot);
        gone.remove(&key);
        true
    }

    pub(super) fn add(&mut self, policy: Policy) -> u32 {
        let at = address(&policy.written);
        let slot = insert(&mut self.slots, &mut self.free, policy);
        self.by_address.insert(at, slot);
        slot
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Policy> {
        let policy = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(policy)
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Policy> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Lists the slots that are in use.
    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, &Policy)> {
        (0..).zip(&self.slots).filter_map(|(slot, policy)| Some((slot, policy.as_ref()?)))
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Policy> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.slots.iter().flatten()
    }

    pub(super) fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Option<Policy>>()
            + self.iter().map(Policy::memory).sum::<usize>()
            + self.by_address.capacity() * (size_of::<(usize, u32)>() + 1)
    }
}
