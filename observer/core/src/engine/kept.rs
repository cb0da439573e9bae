//! What the next agent takes over: findings, and the changes of policies that explain them.

use std::sync::Arc;

use flow_model::input::PairDelta;
use flow_model::inventory::{Inventory, Namespace};
use flow_model::policies::Policies;
use flow_model::record::PolicyChange;
use flow_policy::history::{History, is_empty};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::findings::KeptFindings;

#[derive(Serialize)]
struct Keeping<'a, F> {
    findings: F,
    history: &'a History,
    policies: &'a Policies,
    namespaces: &'a [Arc<Namespace>],
}

/// What the agent before knew.
#[derive(Debug, Deserialize)]
pub struct KeptEngine {
    findings: KeptFindings,
    history: History,
    policies: Policies,
    namespaces: Vec<Arc<Namespace>>,
}

impl Engine {
    /// Returns what the next agent has to know, to be serialised.
    pub fn keep(&self) -> impl Serialize {
        let Inventory { policies, namespaces, .. } =
            self.before.as_ref().unwrap_or_else(|| self.identity.inventory());
        Keeping { findings: self.findings.keep(), history: &self.history, policies, namespaces }
    }

    /// Goes on from what the agent before knew. To be called before the first input.
    pub fn restore(&mut self, kept: KeptEngine, now: Timestamp) {
        self.findings.restore(kept.findings, now);
        self.history = kept.history;
        let KeptEngine { policies, namespaces, .. } = kept;
        self.before = Some(Inventory { policies, namespaces, ..Inventory::default() });
    }

    /// Returns the counters that wait for names, and so are in no output yet.
    pub fn waiting_counts(&self) -> Vec<PairDelta> {
        self.awaiting_name.pairs().copied().collect()
    }

    /// Goes on waiting with counters of the agent before.
    pub fn restore_waiting(&mut self, counts: Vec<PairDelta>, now: Timestamp) {
        for delta in counts {
            if let Some((since, crowded_out)) = self.awaiting_name.hold_pair(delta, now) {
                self.count(crowded_out, since);
            }
        }
    }

    /// Is true while findings of the agent before can't be judged: the cluster is not known yet.
    pub(super) fn awaits_cluster(&self, inventory: &Inventory) -> bool {
        self.before.is_some() && is_empty(inventory)
    }

    /// Remembers what changed, also since the agent before ended.
    pub(super) fn remember_changes(
        &mut self,
        before: &Inventory,
        after: &Inventory,
        now: Timestamp,
    ) -> Vec<PolicyChange> {
        if self.awaits_cluster(after) {
            return Vec::new();
        }
        let left = self.before.take();
        self.history.apply(left.as_ref().unwrap_or(before), after, now)
    }
}
