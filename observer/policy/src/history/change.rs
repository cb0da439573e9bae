//! A change of a policy, or of the labels of a namespace or of a pod.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::connection::{Connection, Who};
use flow_model::inventory::{Labels, Namespace, Pod};
use flow_model::policies::{NetworkPolicy, TierPolicy};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::history::policy::Key;
use crate::history::versions::{Identity, Versions};
use crate::readings::is_same_pod;

/// A deletion and a creation within this time are one change.
const REPLACED_WITHIN: SignedDuration = SignedDuration::from_secs(10);
/// Nobody had time to make use of a shorter absence.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(1);
/// A file that is written again may be empty for so long, and its policies without a `uid` seem to be gone.
const WRITTEN_WITHIN: SignedDuration = SignedDuration::from_secs(3);

/// Holds what changed, and when this agent saw it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) seen: Timestamp,
    pub(super) what: ObjectChange,
    /// When a policy that was created again had been deleted. What was opened meanwhile, it did not refuse.
    pub(super) gone: Option<Timestamp>,
}

/// Holds what changed: a policy, or the labels of a namespace or of a pod.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ObjectChange {
    Policy(Versions<NetworkPolicy>),
    Tiered(Versions<TierPolicy>),
    Namespace(Arc<Namespace>, Arc<Namespace>),
    Pod(Arc<Pod>, Arc<Pod>),
}

impl Change {
    /// Returns a change that was seen now.
    pub(super) fn new(seen: Timestamp, what: ObjectChange) -> Self {
        Self { seen, what, gone: None }
    }

    /// Joins this change with an earlier deletion of the same policy, if it is a creation right after that. Returns whether
    /// it did.
    pub(super) fn join_deletion(&mut self, earlier: &Self) -> bool {
        let absence = self.seen.duration_since(earlier.seen);
        if absence > REPLACED_WITHIN {
            return false;
        }
        let joined = match (&mut self.what, &earlier.what) {
            (ObjectChange::Policy(policy), ObjectChange::Policy(earlier)) => policy.join_deletion(earlier),
            (ObjectChange::Tiered(policy), ObjectChange::Tiered(earlier)) => policy.join_deletion(earlier),
            _ => None,
        };
        let was_gone = joined.is_some_and(|identity| match identity {
            Identity::Other => absence >= AT_ONCE,
            Identity::Unknown => absence >= WRITTEN_WITHIN,
            Identity::Same => false,
        });
        self.gone = was_gone.then_some(earlier.seen);
        joined.is_some()
    }

    /// Returns only the creation of a policy that had been deleted and was created again.
    pub(super) fn return_alone(&self) -> Option<ObjectChange> {
        self.gone?;
        match &self.what {
            ObjectChange::Policy(policy) => Some(ObjectChange::Policy(policy.creation())),
            ObjectChange::Tiered(policy) => Some(ObjectChange::Tiered(policy.creation())),
            ObjectChange::Namespace(..) | ObjectChange::Pod(..) => None,
        }
    }
}

impl ObjectChange {
    pub(super) fn key(&self) -> Option<Key> {
        match self {
            Self::Policy(policy) => policy.key(),
            Self::Tiered(policy) => policy.key(),
            Self::Namespace(_, after) => Some(Key::Namespace(after.name.clone())),
            Self::Pod(_, after) => Some(Key::Pod(after.object_ref())),
        }
    }

    /// Returns when the API created a policy, if this change is its creation.
    pub(super) fn created(&self) -> Option<Timestamp> {
        match self {
            Self::Policy(policy) => policy.created(),
            Self::Tiered(policy) => policy.created(),
            Self::Namespace(..) | Self::Pod(..) => None,
        }
    }

    /// Is true if the policy decides as it did before.
    pub(super) fn is_equivalent(&self) -> bool {
        match self {
            Self::Policy(policy) => policy.is_equivalent(),
            Self::Tiered(policy) => policy.is_equivalent(),
            Self::Namespace(..) | Self::Pod(..) => false,
        }
    }

    /// Is true for a policy that looks, or looked, at this label.
    pub(super) fn uses_label(&self, label: &ArcStr) -> bool {
        match self {
            Self::Policy(policy) => policy.uses_label(label),
            Self::Tiered(policy) => policy.uses_label(label),
            Self::Namespace(..) | Self::Pod(..) => false,
        }
    }

    /// Is true if the change concerns pods of one of these namespaces.
    pub(super) fn touches(&self, namespaces: &[ArcStr]) -> bool {
        match self.key() {
            Some(Key::Policy(object) | Key::Pod(object)) => namespaces.contains(&object.namespace),
            Some(Key::Namespace(name)) => namespaces.contains(&name),
            Some(Key::Tiered(..)) => true,
            None => false,
        }
    }

    /// Is true if the change can make a difference to this connection.
    pub(super) fn concerns(&self, connection: &Connection<'_>) -> bool {
        let mut pods = [connection.src.who, connection.dst.who].into_iter().filter_map(|who| match who {
            Who::Pod(pod) => Some(pod),
            Who::Node(_) | Who::External | Who::Unknown(_) => None,
        });
        match self {
            Self::Policy(_) | Self::Namespace(..) => {
                pods.any(|pod| self.touches(std::slice::from_ref(&pod.namespace)))
            }
            Self::Tiered(_) => true,
            Self::Pod(_, after) => pods.any(|pod| is_same_pod(pod, after)),
        }
    }
}

/// Returns the keys under which two sets of labels differ.
pub(super) fn changed_labels<'a>(
    before: &'a Labels,
    after: &'a Labels,
) -> impl Iterator<Item = &'a ArcStr> + 'a {
    let gone_or_other = before.iter().filter(|(key, value)| after.get(*key) != Some(*value));
    let new = after.keys().filter(|key| !before.contains_key(*key));
    gone_or_other.map(|(key, _)| key).chain(new)
}
