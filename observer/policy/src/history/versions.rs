//! An object before and after a change.

use std::sync::Arc;

use arcstr::ArcStr;
use jiff::Timestamp;

use crate::history::policy::{Key, Policy};

/// Holds an object before and after a change. It was created where `before` is missing, and deleted where `after` is.
#[derive(Clone, Debug)]
pub(super) struct Versions<T> {
    pub(super) before: Option<Arc<T>>,
    pub(super) after: Option<Arc<T>>,
}

impl<T: Policy> Versions<T> {
    /// Returns the key of the policy, which both versions share.
    pub(super) fn key(&self) -> Option<Key> {
        self.after.as_ref().or(self.before.as_ref()).map(|policy| policy.key())
    }

    /// Is true if both versions decide alike.
    pub(super) fn is_equivalent(&self) -> bool {
        matches!((&self.before, &self.after), (Some(before), Some(after)) if before.is_equivalent(after))
    }

    /// Joins a creation with the deletion before it, so that together they are one change. Returns whether it did.
    pub(super) fn join_deletion(&mut self, earlier: &Self) -> bool {
        let is_replacement = self.before.is_none() && earlier.after.is_none();
        if is_replacement {
            self.before.clone_from(&earlier.before);
        }
        is_replacement
    }

    /// Is true if either version looks at this label.
    pub(super) fn uses_label(&self, label: &ArcStr) -> bool {
        self.before.iter().chain(&self.after).any(|policy| policy.uses_label(label))
    }

    /// Returns when the API created the policy, if this change is its creation.
    pub(super) fn created(&self) -> Option<Timestamp> {
        self.after.as_ref().filter(|_| self.before.is_none())?.origin().created
    }
}
