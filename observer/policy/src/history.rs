//! What changed in policies and in the labels they look at, and which of these changes made a connection refused.
//!
//! The changes are taken back one by one, the newest first, until the connection would be allowed: the last one taken
//! back did it.

mod change;
mod compare;
mod describe;
mod parts;
mod scene;
mod words;

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};

use arcstr::ArcStr;
use flow_model::connection::Connection;
use flow_model::decision::Decision;
use flow_model::inventory::Inventory;
use flow_model::object_ref::ObjectRef;
use jiff::{SignedDuration, Timestamp};

use self::change::{Change, What};
use self::scene::Scene;

/// Changes kept.
const MAX_CHANGES: usize = 1_000;
/// Changes older than this go, but for the newest of each policy: a connection may live for weeks.
const KEEP: SignedDuration = SignedDuration::from_hours(24);
/// Changes taken back for one connection.
const MAX_UNDONE: usize = 64;

/// The changes that this agent saw, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    changes: VecDeque<Change>,
    /// When a cluster was first known. What was there then is no change.
    since: Option<Timestamp>,
}

impl History {
    /// Remembers what changed from one inventory to the next. The first one that is not empty is where it begins.
    pub fn apply(&mut self, before: &Inventory, after: &Inventory, now: Timestamp) {
        let Some(since) = self.since else {
            self.since = (!is_empty(after)).then_some(now);
            return;
        };
        let remembers = |label: &ArcStr| self.changes.iter().any(|change| change.what.asks_for(label));
        let changes = compare::changes(before, after, remembers);
        if !changes.is_empty() {
            changes.into_iter().for_each(|what| self.push(Change { seen: now, what }, since));
            self.prune(now);
        }
    }

    /// When policies, or labels that they look at, changed last.
    #[must_use]
    pub fn last_relevant_change(&self) -> Option<Timestamp> {
        self.changes.back().map(|change| change.seen)
    }

    /// Changes that concern pods of these namespaces since then, in words, oldest first. Those of one moment are told as one:
    /// a Deployment's pods get their labels together.
    #[must_use]
    pub fn changes_in(&self, namespaces: &[ArcStr], since: Timestamp) -> Vec<(Timestamp, String)> {
        let recent = self.changes.iter().filter(|change| change.seen >= since);
        let concerning = recent.filter(|change| change.what.touches(namespaces));
        let mut told: Vec<(Timestamp, String)> = Vec::new();
        for change in concerning {
            if told.last().is_none_or(|(seen, _)| *seen != change.seen) {
                told.push((change.seen, words::named_only(change)));
            }
        }
        told
    }

    /// Which change made the policies of `inventory` refuse this connection; where none of those seen did, when the
    /// policies `denying` it (as a verdict names them) changed last. `None` where nothing is known, and for a connection
    /// that is not refused.
    #[must_use]
    pub fn cause(
        &self,
        inventory: &Inventory,
        connection: &Connection<'_>,
        denying: &[ObjectRef],
    ) -> Option<String> {
        let mut scene = Scene::new(inventory, connection);
        if scene.decision() != Decision::Deny {
            return None;
        }
        let concerning = self.changes.iter().rev().filter(|change| change.what.concerns(connection));
        for change in concerning.take(MAX_UNDONE) {
            let after = scene.clone();
            scene.undo(&change.what);
            if scene.decision() == Decision::Allow {
                return Some(words::told(change, &after));
            }
        }
        words::last_change(&inventory.policies, denying, self.since)
    }

    /// A policy that is back at once was replaced, and if it is the same as before, nothing happened: a file is empty for
    /// a moment while it is written anew. One that is older than what we know of the cluster was not created now, but
    /// told late.
    fn push(&mut self, mut change: Change, since: Timestamp) {
        let key = change.what.key();
        match self.changes.iter().rposition(|earlier| earlier.what.key() == key) {
            Some(at) if change.replaces(&self.changes[at]) => {
                self.changes.remove(at);
                if !change.what.is_nothing() {
                    self.changes.push_back(change);
                }
            }
            None if change.what.created().is_some_and(|created| created < since) => {}
            _ => self.changes.push_back(change),
        }
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

/// Whether it is the newest change of a policy, for those asked newest first.
fn is_newest(change: &Change, seen: &mut HashSet<change::Key>) -> bool {
    let of_policy = matches!(change.what, What::Policy(_) | What::Tiered(_));
    of_policy && seen.insert(change.what.key())
}

fn is_empty(inventory: &Inventory) -> bool {
    let Inventory { pods, namespaces, policies, .. } = inventory;
    pods.is_empty() && namespaces.is_empty() && policies.namespaced.is_empty() && policies.tiered.is_empty()
}
