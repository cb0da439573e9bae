//! Namespaces and the namespace selectors that match them.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Namespace;
use flow_model::policies::Selector;
use flow_model::selector::METADATA_NAME;

use crate::compiled::intern::Interner;
use crate::compiled::labels::selector_memory;
use crate::compiled::truth::Truth;

/// Holds every namespace that an object, a pod or a policy names.
#[derive(Clone, Debug, Default)]
pub(super) struct Spaces {
    names: Interner<ArcStr>,
    selectors: Interner<Arc<Selector>>,
    spaces: Vec<Space>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Space {
    /// The object with its labels; `None` where it is missing.
    object: Option<Arc<Namespace>>,
    /// Holds whether each namespace selector matches.
    row: Vec<Truth>,
    /// NetworkPolicies in the namespace.
    pub(super) policies: Vec<u32>,
    /// Groups of the namespace's pods.
    pub(super) groups: Vec<u32>,
}

impl Spaces {
    pub(super) fn acquire(&mut self, name: &ArcStr) -> u32 {
        let (id, new) = self.names.acquire(name, || name.clone());
        if new {
            self.spaces.resize_with(self.names.bound().max(self.spaces.len()), Space::default);
            self.spaces[id as usize] = Space { row: self.row(name, None), ..Space::default() };
        }
        id
    }

    pub(super) fn release(&mut self, space: u32) {
        if self.names.release(space) {
            self.spaces[space as usize] = Space::default();
        }
    }

    /// Sets a namespace's object, or removes it. Returns whether different selectors may match now.
    pub(super) fn set_object(&mut self, space: u32, name: &ArcStr, object: Option<&Arc<Namespace>>) -> bool {
        let old = std::mem::replace(&mut self.spaces[space as usize].object, object.cloned());
        if old.as_deref() == object.map(AsRef::as_ref) {
            return false;
        }
        self.spaces[space as usize].row = self.row(name, object.map(AsRef::as_ref));
        true
    }

    pub(super) fn acquire_selector(&mut self, selector: &Selector) -> u32 {
        let (id, new) = self.selectors.acquire(selector, || Arc::new(selector.clone()));
        if new {
            let at = id as usize;
            for (space, name) in self.names.iter() {
                let Space { object, row, .. } = &mut self.spaces[space as usize];
                row.resize(row.len().max(at + 1), Truth::No);
                row[at] = holds(selector, name, object.as_deref());
            }
        }
        id
    }

    pub(super) fn release_selector(&mut self, selector: u32) {
        self.selectors.release(selector);
    }

    pub(super) fn find(&self, name: &ArcStr) -> Option<u32> {
        self.names.find(name)
    }

    pub(super) fn get(&self, space: u32) -> Option<&Space> {
        self.spaces.get(space as usize)
    }

    pub(super) fn get_mut(&mut self, space: u32) -> Option<&mut Space> {
        self.spaces.get_mut(space as usize)
    }

    pub(super) fn holds(&self, selector: u32, space: u32) -> Truth {
        let row = self.spaces.get(space as usize).map_or(&[][..], |space| &space.row);
        row.get(selector as usize).copied().unwrap_or(Truth::No)
    }

    /// Returns whether a selector matches a namespace that is not in the table.
    pub(super) fn matches(&self, selector: u32, name: &ArcStr) -> Truth {
        self.selectors.get(selector).map_or(Truth::No, |selector| holds(selector, name, None))
    }

    fn row(&self, name: &ArcStr, object: Option<&Namespace>) -> Vec<Truth> {
        let mut row = vec![Truth::No; self.selectors.bound()];
        for (selector, value) in self.selectors.iter() {
            row[selector as usize] = holds(value, name, object);
        }
        row
    }

    pub(super) fn memory(&self) -> usize {
        let of_space = |space: &Space| {
            space.row.capacity() * size_of::<Truth>()
                + (space.policies.capacity() + space.groups.capacity()) * size_of::<u32>()
        };
        let selectors: usize = self.selectors.iter().map(|(_, selector)| selector_memory(selector)).sum();
        self.names.memory()
            + self.selectors.memory()
            + selectors
            + self.spaces.capacity() * size_of::<Space>()
            + self.spaces.iter().map(of_space).sum::<usize>()
    }

    /// Counts names and selectors.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> [usize; 2] {
        [self.names.iter().count(), self.selectors.iter().count()]
    }
}

/// Returns whether a selector matches a namespace. Where its object is missing, the name is still known, because the API
/// server sets it as a label.
fn holds(selector: &Selector, name: &ArcStr, object: Option<&Namespace>) -> Truth {
    let each = selector.requirements.iter().map(|requirement| match object {
        _ if requirement.key == METADATA_NAME => requirement.admits(Some(name)).into(),
        Some(object) => requirement.admits(object.labels.get(&requirement.key)).into(),
        None => Truth::Maybe,
    });
    each.min().unwrap_or(Truth::Yes)
}
