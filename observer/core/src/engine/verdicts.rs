//! Snapshots of the cluster, what is judged by them, and the findings that follow.

use std::sync::Arc;

use flow_identity::{Holder, Identity};
use flow_model::decision::Decision;
use flow_model::finding::Cause;
use flow_model::flow::FlowTuple;
use flow_model::input::{AttemptSeen, LostStage, PairDelta};
use flow_model::inventory::Inventory;
use flow_model::output::Output;
use flow_model::record::{Endpoint, Event};
use flow_policy::history::History;
use jiff::Timestamp;

use crate::connections::Assess;
use crate::engine::Engine;
use crate::engine::attempts::Patience;
use crate::facts::JudgedConnection;
use crate::findings::latent_denials;
use crate::judge::Judge;

impl Engine {
    /// Takes a new snapshot of the cluster: names first, then what is judged by them.
    pub(super) fn cluster(&mut self, inventory: Arc<Inventory>, now: Timestamp) {
        // What waits only for its line in a log is judged by the policies that it met.
        for seen in self.awaiting_drop.all_completed() {
            self.attempt(seen, now);
        }
        for seen in self.awaiting_line.drain() {
            self.dropped(&seen, None);
        }
        let objects = inventory.objects.iter().map(|(k, n)| (k.clone(), *n)).collect();
        let before = Arc::clone(self.identity.inventory());
        self.identity.apply(Arc::clone(&inventory), now);
        self.judge.apply(&inventory);
        self.flips.clear();
        let known = !self.awaits_cluster(&inventory);
        for change in self.remember_changes(&before, &inventory, now) {
            self.record(now, Event::PolicyChange(change));
        }
        self.endpoints.apply(&before, &inventory, now);
        self.vips.apply(&inventory, now);
        self.connections.changed();
        self.outputs.extend(self.unfollowed.inventory(&inventory).into_iter().map(Output::Sight));
        self.report_named();
        if known {
            let (identity, judge) = (&self.identity, &mut self.judge);
            let mut rejudge =
                |src: &Endpoint, dst: &Endpoint| judge.verdict(&identity.resolve(&between(src, dst), now));
            self.findings.policies_changed(&mut rejudge, now);
        }
        self.outputs.push_back(Output::ClusterObjects(objects));
        self.outputs.push_back(Output::Cluster(inventory));
    }

    /// Reports and counts what has names now.
    fn report_named(&mut self) {
        let identity = &self.identity;
        let is_named = |ip, at| !matches!(identity.holder(ip, at), Holder::Unnamed);
        let (attempts, pairs) =
            (self.awaiting_name.named(is_named), self.awaiting_name.named_pairs(is_named));
        self.report_released(attempts, pairs);
    }

    /// Reports and counts what waited long enough for names.
    pub(super) fn report_nameless(&mut self, now: Timestamp) {
        let identity = &self.identity;
        let is_named = |ip, at| !matches!(identity.holder(ip, at), Holder::Unnamed);
        let (attempts, pairs) = (self.awaiting_name.due(now), self.awaiting_name.due_pairs(now, is_named));
        self.report_released(attempts, pairs);
    }

    /// Reports attempts, and then counts what was counted of them: a count has the decision on its attempts.
    pub(super) fn report_released(&mut self, attempts: Vec<AttemptSeen>, pairs: Vec<(Timestamp, PairDelta)>) {
        for seen in attempts {
            self.report(&seen, Patience::Exhausted);
        }
        for (since, delta) in pairs {
            self.count(delta, since);
        }
    }

    /// Judges the open connections that are due, and reports those that would be refused.
    pub(super) fn judge_connections(&mut self, now: Timestamp) {
        if !self.connections.due(now) {
            return;
        }
        let mut judge = ConnectionJudge {
            identity: &self.identity,
            judge: &mut self.judge,
            history: &self.history,
            node: &self.node,
            now,
        };
        let groups = self.connections.judge(&mut judge, now);
        self.findings.report(latent_denials(&groups, now), now);
        self.outputs.push_back(Output::LatentDenials(self.connections.counts()));
    }

    /// Counts open connections that found no room in the table.
    pub(super) fn count_left_out(&mut self) {
        match self.connections.take_left_out() {
            0 => {}
            count => self.outputs.push_back(Output::Lost { stage: LostStage::Connections, count }),
        }
    }

    pub(super) fn drain_findings(&mut self) {
        let outputs = &mut self.outputs;
        outputs.extend(std::iter::from_fn(|| self.findings.next_output()).map(Output::Finding));
        match self.findings.take_crowded_out() {
            0 => {}
            count => outputs.push_back(Output::Lost { stage: LostStage::Findings, count }),
        }
    }
}

/// Judges open connections by the current snapshot.
struct ConnectionJudge<'a> {
    identity: &'a Identity,
    judge: &'a mut Judge,
    history: &'a History,
    node: &'a str,
    now: Timestamp,
}

impl Assess for ConnectionJudge<'_> {
    fn decide(&mut self, tuple: &FlowTuple) -> Decision {
        self.judge.decide(&self.identity.resolve(tuple, self.now))
    }

    fn detail(&mut self, tuple: &FlowTuple) -> Option<JudgedConnection> {
        let resolved = self.identity.resolve(tuple, self.now);
        let verdict = self.judge.verdict(&resolved)?;
        let (src, dst) = (resolved.client_endpoint(), resolved.server_endpoint());
        Some(JudgedConnection { src, dst, vantage: resolved.vantage(self.node), verdict })
    }

    fn cause(&mut self, tuple: &FlowTuple, judged: &JudgedConnection) -> Option<Cause> {
        let connection = self.identity.resolve(tuple, self.now).connection();
        self.history.cause(self.identity.inventory(), &connection, &judged.verdict.policies)
    }
}

/// Returns the tuple of a finding's example.
fn between(src: &Endpoint, dst: &Endpoint) -> FlowTuple {
    let backend = dst.backend_ip.map(|ip| (ip, dst.backend_port.unwrap_or(dst.port)));
    let backend = backend.or_else(|| dst.backend_port.map(|port| (dst.ip, port)));
    // A client from outside may have arrived under a node's address, which the record lacks: all are judged then.
    let outside = src.pod.is_none() && src.node.is_none() && dst.service.is_some();
    let backend = backend.filter(|_| !outside);
    FlowTuple { src: src.ip, sport: src.port, dst: dst.ip, dport: dst.port, backend }
}
