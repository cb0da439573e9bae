//! An object before and after a change.

use std::sync::Arc;

use arcstr::ArcStr;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::history::policy::{Key, Policy};

/// Holds an object before and after a change. It was created where `before` is missing, and deleted where `after` is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Versions<T> {
    pub(super) before: Option<Arc<T>>,
    pub(super) after: Option<Arc<T>>,
}

/// Says whether two versions under one name are the same object, by their `uid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Same,
    Other,
    Unknown,
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

    /// Joins a creation with the deletion before it, so that together they are one change. Returns whether it is the same
    /// object, or `None` where they don't belong together.
    pub(super) fn join_deletion(&mut self, earlier: &Self) -> Option<Identity> {
        let (None, Some(after)) = (&self.before, &self.after) else { return None };
        let before = earlier.before.as_ref().filter(|_| earlier.after.is_none())?;
        let identity = match (&*before.origin().uid, &*after.origin().uid) {
            ("", _) | (_, "") => Identity::Unknown,
            (old, new) if old == new => Identity::Same,
            _ => Identity::Other,
        };
        self.before = Some(Arc::clone(before));
        Some(identity)
    }

    /// Returns the creation of the newer version.
    pub(super) fn creation(&self) -> Self {
        Self { before: None, after: self.after.clone() }
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
