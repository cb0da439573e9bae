//! What the policies say of flows and connections, and the findings that follow.

use std::sync::Arc;

use jiff::Timestamp;

use super::Engine;
use crate::core::connections;
use crate::core::facts::{AttemptFacts, Backends, JudgedConnection};
use crate::core::identity::Identity;
use crate::core::input::{FlowTuple, OpenConnection};
use crate::core::inventory::Inventory;
use crate::core::judge::Judge;
use crate::core::output::Output;
use crate::core::policy::Decision;
use crate::core::record::{Attempt, FlowVerdict, Vantage};

impl Engine {
    pub(super) fn cluster(&mut self, inventory: Arc<Inventory>, now: Timestamp) {
        let objects = inventory.objects.iter().map(|(k, n)| (k.clone(), *n)).collect();
        let before = Arc::clone(self.identity.inventory());
        self.identity.apply(Arc::clone(&inventory), now);
        self.judge.apply(&inventory);
        let changed = self.history.apply(&before, &inventory, now);
        self.outputs.push_back(Output::ClusterObjects(objects));
        self.outputs.push_back(Output::Cluster(inventory));
        if changed {
            let (identity, judge) = (&self.identity, &mut self.judge);
            self.findings.policies_changed(&mut |tuple: &FlowTuple| judge.verdict(identity, tuple, now), now);
            self.connections.judge_again();
        }
        self.judge_connections(now);
    }

    pub(super) fn opened(&mut self, opened: Vec<OpenConnection>, closed: &[FlowTuple], now: Timestamp) {
        self.connections.apply(opened, closed);
        self.judge_connections(now);
    }
}
