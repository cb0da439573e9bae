//! Changes of policies and of the labels that they look at, and the change that made the policies refuse a connection.
//!
//! The changes are undone one by one, the newest first, until the connection would be allowed. The last one undone is the
//! cause.

mod change;
mod compare;
mod describe;
mod parts;
mod policy;
mod record;
mod scene;
mod sentences;
mod versions;

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};

use arcstr::ArcStr;
use flow_model::connection::Connection;
use flow_model::decision::Decision;
use flow_model::finding::Cause;
use flow_model::inventory::Inventory;
use flow_model::object_ref::ObjectRef;
use flow_model::record::PolicyChange;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::change::{Change, ObjectChange};
use self::policy::Key;
use self::scene::Scene;

/// At most this many changes are kept, so that a busy cluster can't fill the memory.
pub const MAX_CHANGES: usize = 1_000;
/// The time for which changes are kept. The newest change of each policy stays longer, because a connection may live
/// for weeks.
const KEEP: SignedDuration = SignedDuration::from_hours(24);
/// At most this many changes are undone for one connection, so that one question stays cheap.
const MAX_UNDONE: usize = 64;

/// Holds the changes that this agent saw, oldest first, and those that the agents before it saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    changes: VecDeque<Change>,
    /// The time at which a cluster was first known. Objects that existed then are no changes.
    since: Option<Timestamp>,
}

impl History {
    /// Remembers what changed from one inventory to the next, and returns it. The history begins with the first one that is
    /// not empty.
    pub fn apply(&mut self, before: &Inventory, after: &Inventory, now: Timestamp) -> Vec<PolicyChange> {
        let Some(since) = self.since else {
            self.since = (!is_empty(after)).then_some(now);
            return Vec::new();
        };
        let remembers = |label: &ArcStr| self.changes.iter().any(|change| change.what.uses_label(label));
        let changes = compare::changes(before, after, remembers);
        let news: Vec<PolicyChange> =
            changes.into_iter().filter_map(|what| self.push(Change::new(now, what), since)).collect();
        if !news.is_empty() {
            self.prune(now);
        }
        news
    }

    /// Returns how many changes are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Is true when no change is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns when policies, or labels that they look at, changed last.
    #[must_use]
    pub fn last_relevant_change(&self) -> Option<Timestamp> {
        self.changes.back().map(|change| change.seen)
    }

    /// Describes the changes since then that concern pods of these namespaces, oldest first. Changes of one moment are
    /// described as one, because a Deployment's pods get their labels together.
    #[must_use]
    pub fn changes_in(&self, namespaces: &[ArcStr], since: Timestamp) -> Vec<(Timestamp, String)> {
        let recent = self.changes.iter().filter(|change| change.seen >= since);
        let concerning = recent.filter(|change| change.what.touches(namespaces));
        let mut sentences: Vec<(Timestamp, String)> = Vec::new();
        for change in concerning {
            if sentences.last().is_none_or(|(seen, _)| *seen != change.seen) {
                sentences.push((change.seen, sentences::summary(change)));
            }
        }
        sentences
    }

    /// Describes the change that made the policies of `inventory` refuse this connection. If no change that was seen did,
    /// it names when the policies `denying` it (as a verdict names them) changed last. Returns `None` where nothing is
    /// known, and for a connection that is not refused.
    #[must_use]
    pub fn cause(
        &self,
        inventory: &Inventory,
        connection: &Connection<'_>,
        denying: &[ObjectRef],
    ) -> Option<Cause> {
        let mut scene = Scene::new(inventory, connection);
        if scene.decision() != Decision::Deny {
            return None;
        }
        let concerning = self.changes.iter().rev().filter(|change| change.what.concerns(connection));
        for change in concerning.take(MAX_UNDONE) {
            let after = scene.clone();
            scene.undo(&change.what);
            if scene.decision() == Decision::Allow {
                return Some(sentences::decisive(change, &after));
            }
            if let Some(creation) = change.return_alone()
                && after.without(&creation).decision() == Decision::Allow
            {
                return Some(sentences::returned(change));
            }
        }
        sentences::last_change(&inventory.policies, denying, self.since)
    }

    /// Returns when the change was seen that made the policies of `inventory` come to this decision about the connection,
    /// if it is among those seen since then. `None` also where they decide otherwise, and where it is not known how they
    /// decided before.
    #[must_use]
    pub fn decided_at(
        &self,
        inventory: &Inventory,
        connection: &Connection<'_>,
        decision: Decision,
        since: Timestamp,
    ) -> Option<Timestamp> {
        let recent = self.changes.iter().rev().take_while(|change| change.seen >= since);
        let concerning = recent.filter(|change| change.what.concerns(connection)).take(MAX_UNDONE);
        let mut concerning = concerning.peekable();
        concerning.peek()?;
        let mut scene = Scene::new(inventory, connection);
        if decision == Decision::Unknown || scene.decision() != decision {
            return None;
        }
        let (change, before) = concerning.find_map(|change| {
            let meanwhile = change.return_alone().map(|creation| scene.without(&creation).decision());
            scene.undo(&change.what);
            let before = meanwhile.filter(|meanwhile| *meanwhile != decision).unwrap_or(scene.decision());
            (before != decision).then_some((change, before))
        })?;
        (before != Decision::Unknown).then_some(change.seen)
    }

    /// Adds a change, and describes it. A policy that returns soon was replaced, and nothing happened if it is the same as
    /// before and was not really gone: a file is empty for a moment while it is written again. A policy older than the
    /// history was not created now; the source only listed it late.
    fn push(&mut self, mut change: Change, since: Timestamp) -> Option<PolicyChange> {
        let key = change.what.key();
        match self.changes.iter().rposition(|earlier| earlier.what.key() == key) {
            Some(at) if change.join_deletion(&self.changes[at]) => {
                self.changes.remove(at);
                if change.what.is_equivalent() && change.gone.is_none() {
                    return record::still_there(&change);
                }
            }
            None if change.what.created().is_some_and(|created| created < since) => return None,
            _ => {}
        }
        let news = record::of(&change);
        self.changes.push_back(change);
        news
    }

    fn prune(&mut self, now: Timestamp) {
        let mut seen = HashSet::new();
        let newest: Vec<bool> = self.changes.iter().rev().map(|c| is_newest(c, &mut seen)).collect();
        let mut excess = self.changes.len().saturating_sub(MAX_CHANGES);
        let mut newest = newest.into_iter().rev();
        self.changes.retain(|change| {
            let newest = newest.next().unwrap_or(false);
            let drop = !newest && (excess > 0 || now.duration_since(change.seen) > KEEP);
            excess -= usize::from(drop && excess > 0);
            !drop
        });
        while self.changes.len() > MAX_CHANGES {
            self.changes.pop_front();
        }
    }
}

/// Is true for the newest change of a policy, if the changes come newest first.
fn is_newest(change: &Change, seen: &mut HashSet<Key>) -> bool {
    let is_policy = matches!(change.what, ObjectChange::Policy(_) | ObjectChange::Tiered(_));
    is_policy && change.what.key().is_some_and(|key| seen.insert(key))
}

/// Is true while no cluster is known.
#[must_use]
pub fn is_empty(inventory: &Inventory) -> bool {
    let Inventory { pods, namespaces, policies, .. } = inventory;
    pods.is_empty() && namespaces.is_empty() && policies.namespaced.is_empty() && policies.tiered.is_empty()
}
