//! Numbers for values, so that what is decided of a value is kept in a table.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Values with a number each, counted by who uses them. A number that nobody uses is given again.
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
    /// The number of a value, used once more; whether it is a new one.
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

    /// One user less; whether it was the last.
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

    /// All values in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &K)> {
        (0..).zip(&self.slots).filter_map(|(id, slot)| Some((id, &slot.as_ref()?.0)))
    }

    /// Above every number in use.
    pub(super) fn bound(&self) -> usize {
        self.slots.len()
    }

    /// Bytes, without what the values point to.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_again_when_its_last_user_is_gone() {
        let mut names = Interner::<String>::default();
        let mut acquire = |name: &str| names.acquire(name, || name.to_owned());
        assert_eq!([acquire("a"), acquire("b"), acquire("a")], [(0, true), (1, true), (0, false)]);
        assert!(!names.release(0));
        assert_eq!(names.find("a"), Some(0));
        assert!(names.release(0));
        assert_eq!(names.find("a"), None);
        assert_eq!(names.acquire("c", || "c".to_owned()), (0, true));
        assert_eq!(
            names.iter().map(|(id, name)| (id, name.as_str())).collect::<Vec<_>>(),
            [(0, "c"), (1, "b")]
        );
    }
}
