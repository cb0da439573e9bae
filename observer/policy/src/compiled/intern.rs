//! Numbers for values, so that results about a value can be kept in a table.

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Gives each value a number and counts its users. A number without users is given to another value.
#[derive(Clone, Debug)]
pub(super) struct Interner<K> {
    ids: HashMap<K, u32>,
    slots: Vec<Option<(K, u32)>>,
    free: Vec<u32>,
}

impl<K> Default for Interner<K> {
    fn default() -> Self {
        Self { ids: HashMap::new(), slots: Vec::new(), free: Vec::new() }
    }
}

impl<K: Clone + Eq + Hash> Interner<K> {
    /// Returns the number of a value with one more user, and whether the value is new.
    pub(super) fn acquire<Q>(&mut self, value: &Q, make: impl FnOnce() -> K) -> (u32, bool)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(&id) = self.ids.get(value) {
            if let Some(Some((_, users))) = self.slots.get_mut(id as usize) {
                *users += 1;
            }
            return (id, false);
        }
        let value = make();
        let id = insert(&mut self.slots, &mut self.free, (value.clone(), 1));
        self.ids.insert(value, id);
        (id, true)
    }

    /// Removes one user. Returns whether it was the last.
    pub(super) fn release(&mut self, id: u32) -> bool {
        let Some(slot) = self.slots.get_mut(id as usize) else { return false };
        match slot {
            Some((_, users)) if *users > 1 => {
                *users -= 1;
                false
            }
            _ => {
                if let Some((value, _)) = slot.take() {
                    self.ids.remove(&value);
                    self.free.push(id);
                }
                true
            }
        }
    }

    pub(super) fn find<Q>(&self, value: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.ids.get(value).copied()
    }

    pub(super) fn get(&self, id: u32) -> Option<&K> {
        self.slots.get(id as usize)?.as_ref().map(|(value, _)| value)
    }

    /// Returns all values in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &K)> {
        (0..).zip(&self.slots).filter_map(|(id, slot)| Some((id, &slot.as_ref()?.0)))
    }

    /// Returns a bound above every number in use.
    pub(super) fn bound(&self) -> usize {
        self.slots.len()
    }

    /// Estimates the bytes, without what the values point to.
    pub(super) fn memory(&self) -> usize {
        self.ids.capacity() * (size_of::<(K, u32)>() + 1)
            + self.slots.capacity() * size_of::<Option<(K, u32)>>()
            + self.free.capacity() * size_of::<u32>()
    }
}

/// Puts a value into a free slot, else into a new one.
pub(super) fn insert<T>(slots: &mut Vec<Option<T>>, free: &mut Vec<u32>, value: T) -> u32 {
    let id = free.pop().unwrap_or_else(|| {
        slots.push(None);
        u32::try_from(slots.len() - 1).unwrap_or(u32::MAX)
    });
    if let Some(slot) = slots.get_mut(id as usize) {
        *slot = Some(value);
    }
    id
}
