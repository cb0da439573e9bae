//! Pod selectors and the sets of labels that they match.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use fixedbitset::FixedBitSet;
use flow_model::inventory::{Labels, Pod};
use flow_model::policies::Selector;

use crate::compiled::intern::Interner;

/// Holds the labels of pods, each different set once, and for each set a bit per selector.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSets {
    sets: Interner<Labelled>,
    selectors: Interner<Arc<Selector>>,
    rows: Vec<FixedBitSet>,
}

/// Holds one of the pods that have these labels.
#[derive(Clone, Debug)]
struct Labelled(Arc<Pod>);

impl LabelSets {
    pub(super) fn acquire(&mut self, pod: &Arc<Pod>) -> u32 {
        let (set, new) = self.sets.acquire(&pod.labels, || Labelled(Arc::clone(pod)));
        if new {
            let at = set as usize;
            self.rows.resize_with(self.sets.bound().max(self.rows.len()), FixedBitSet::default);
            let mut row = FixedBitSet::with_capacity(self.selectors.bound());
            let held = self.selectors.iter().filter(|(_, selector)| selector.matches(&pod.labels));
            row.extend(held.map(|(selector, _)| selector as usize));
            self.rows[at] = row;
        }
        set
    }

    pub(super) fn release(&mut self, set: u32) {
        if self.sets.release(set) {
            self.rows[set as usize] = FixedBitSet::default();
        }
    }

    pub(super) fn acquire_selector(&mut self, selector: &Selector) -> u32 {
        let (id, new) = self.selectors.acquire(selector, || Arc::new(selector.clone()));
        if new {
            let at = id as usize;
            for (set, Labelled(pod)) in self.sets.iter() {
                let row = &mut self.rows[set as usize];
                row.grow(at + 1);
                row.set(at, selector.matches(&pod.labels));
            }
        }
        id
    }

    pub(super) fn release_selector(&mut self, selector: u32) {
        self.selectors.release(selector);
    }

    pub(super) fn find(&self, labels: &Labels) -> Option<u32> {
        self.sets.find(labels)
    }

    /// Is true if a selector matches a set.
    pub(super) fn holds(&self, selector: u32, set: u32) -> bool {
        self.rows.get(set as usize).is_some_and(|row| row.contains(selector as usize))
    }

    /// Is true if a selector matches labels that are no set here.
    pub(super) fn matches(&self, selector: u32, labels: &Labels) -> bool {
        self.selectors.get(selector).is_some_and(|selector| selector.matches(labels))
    }

    pub(super) fn memory(&self) -> usize {
        let rows: usize = self.rows.iter().map(|row| row.len().div_ceil(8)).sum();
        let selectors: usize = self.selectors.iter().map(|(_, selector)| selector_memory(selector)).sum();
        self.sets.memory()
            + self.selectors.memory()
            + selectors
            + rows
            + self.rows.capacity() * size_of::<FixedBitSet>()
    }

    /// Counts sets and selectors.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> [usize; 2] {
        [self.sets.iter().count(), self.selectors.iter().count()]
    }
}

/// Estimates the bytes of a selector, without its strings, which belong to the policy.
pub(super) fn selector_memory(selector: &Selector) -> usize {
    size_of::<Selector>() + size_of_val(selector.requirements.as_slice())
}

impl Borrow<Labels> for Labelled {
    fn borrow(&self) -> &Labels {
        &self.0.labels
    }
}

impl PartialEq for Labelled {
    fn eq(&self, other: &Self) -> bool {
        self.0.labels == other.0.labels
    }
}

impl Eq for Labelled {}

impl Hash for Labelled {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.labels.hash(state);
    }
}
