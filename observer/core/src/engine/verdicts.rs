//! What the policies say of flows and open connections, and the findings that follow.

use std::sync::Arc;

use flow_identity::Identity;
use flow_model::connection::Connection;
use flow_model::decision::Decision;
use flow_model::flow::{FlowTuple, Outcome, Pair, Vantage};
use flow_model::input::{AttemptSeen, LostStage};
use flow_model::inventory::{Backend, Inventory};
use flow_model::output::{OpenFlow, Output};
use flow_model::record::{Attempt, Endpoint};
use flow_policy::history::History;
use jiff::{SignedDuration, Timestamp};

use crate::connections;
use crate::engine::Engine;
use crate::facts::{AttemptFacts, Backends, JudgedConnection};
use crate::findings::latent_denials;
use crate::judge::Judge;

/// How often the open connections are told; more seldom when there are many.
const TELL_OPEN: SignedDuration = SignedDuration::from_secs(5);
const TELL_OPEN_EACH: SignedDuration = SignedDuration::from_micros(250);

impl Engine {
    /// A new picture of the cluster: names first, then what is judged by them.
    pub(super) fn cluster(&mut self, inventory: Arc<Inventory>, now: Timestamp) {
        let objects = inventory.objects.iter().map(|(k, n)| (k.clone(), *n)).collect();
        let before = Arc::clone(self.identity.inventory());
        self.identity.apply(Arc::clone(&inventory), now);
        self.judge.apply(&inventory);
        self.history.apply(&before, &inventory, now);
        self.endpoints.apply(&before, &inventory, now);
        self.vips.apply(&inventory, now);
        self.connections.changed();
        let identity = &self.identity;
        for seen in self.strangers.named(|seen| !identity.is_stranger(seen.tuple.src, seen.time)) {
            self.tell(&seen);
        }
        let (identity, judge) = (&self.identity, &mut self.judge);
        let mut rejudge = |src: &Endpoint, dst: &Endpoint| judge.verdict(identity, &between(src, dst), now);
        self.findings.policies_changed(&mut rejudge, now);
        self.outputs.push_back(Output::ClusterObjects(objects));
        self.outputs.push_back(Output::Cluster(inventory));
    }

    /// What an attempt says beyond itself.
    pub(super) fn find(&mut self, seen: &AttemptSeen, attempt: &Attempt) {
        let t = &seen.tuple;
        let start = |ip| self.identity.pod(ip, seen.time).and_then(|pod| pod.start);
        let backends = self.identity.service_port(t.dst, t.dport, seen.time).map(|(service, port)| {
            let of = |b: &&Backend| b.port_name == port.name && b.protocol == port.protocol;
            let all = service.backends.iter().filter(of);
            Backends { ready: all.clone().filter(|backend| backend.ready).count(), all: all.count() }
        });
        let denied = attempt.verdict.as_ref().is_some_and(|v| v.decision == Decision::Deny);
        self.findings.attempt(&AttemptFacts {
            time: seen.time,
            attempt,
            src_start: start(t.src),
            dst_start: start(t.backend.map_or(t.dst, |(ip, _)| ip)),
            policy_change: self.history.last_relevant_change(),
            backends,
        });
        if denied && attempt.outcome == Outcome::Established {
            self.connections.not_latent(t, seen.time);
        }
    }

    /// What the policies say of a pair of the counters, which don't know the backend.
    pub(super) fn pair_verdict(&self, pair: Option<Pair>, now: Timestamp) -> Decision {
        pair.map_or(Decision::Unknown, |pair| {
            if let Some(said) = self.recent.said(&pair, now) {
                return said;
            }
            let Pair { src, dst, dport, .. } = pair;
            let tuple = FlowTuple { src, sport: 0, dst, dport, backend: None };
            self.judge.decide(&self.identity, &tuple, now)
        })
    }

    pub(super) fn note(&mut self, tuple: &FlowTuple, said: Decision, at: Timestamp) {
        self.recent.note((tuple.src, tuple.dst, tuple.dport), said, at);
    }

    pub(super) fn judge_connections(&mut self, now: Timestamp) {
        if !self.connections.due(now) {
            return;
        }
        let mut bench = Bench {
            identity: &self.identity,
            judge: &mut self.judge,
            history: &self.history,
            node: &self.node,
            now,
        };
        let groups = self.connections.judge(&mut bench, now);
        self.findings.report(latent_denials(&groups, now), now);
        self.outputs.push_back(Output::LatentDenials(self.connections.counts()));
    }

    /// Tells the open connections now and then: a baseline must have those that are older than the agent.
    pub(super) fn tell_open(&mut self, now: Timestamp) {
        // A clock that was set back must not silence it.
        let open = i32::try_from(self.connections.len()).unwrap_or(i32::MAX);
        let pause = TELL_OPEN.saturating_add(TELL_OPEN_EACH.saturating_mul(open));
        let recently = |told| (SignedDuration::ZERO..pause).contains(&now.duration_since(told));
        if self.told_open.is_some_and(recently) || (self.told_open.is_none() && self.connections.is_empty()) {
            return;
        }
        self.told_open = Some(now);
        let flows = self.connections.by_pair().into_iter().map(|(t, since, open)| OpenFlow {
            src: self.identity.endpoint(t.src, t.sport, now),
            dst: self.identity.server(t.dst, t.dport, t.backend, now),
            since,
            open,
        });
        self.outputs.push_back(Output::OpenFlows(flows.collect()));
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

/// Judges open connections.
struct Bench<'a> {
    identity: &'a Identity,
    judge: &'a mut Judge,
    history: &'a History,
    node: &'a str,
    now: Timestamp,
}

impl connections::Judge for Bench<'_> {
    fn decide(&mut self, tuple: &FlowTuple) -> Decision {
        self.judge.decide(self.identity, tuple, self.now)
    }

    fn detail(&mut self, tuple: &FlowTuple) -> Option<JudgedConnection> {
        let verdict = self.judge.verdict(self.identity, tuple, self.now)?;
        let src = self.identity.endpoint(tuple.src, tuple.sport, self.now);
        let dst = self.identity.server(tuple.dst, tuple.dport, tuple.backend, self.now);
        let local = |ip| self.identity.is_local_pod(ip, self.node, self.now) == Some(true);
        let vantage = if local(tuple.src) {
            Vantage::Source
        } else if local(tuple.backend.map_or(tuple.dst, |(ip, _)| ip)) {
            Vantage::Destination
        } else {
            Vantage::Transit
        };
        Some(JudgedConnection { src, dst, vantage, verdict })
    }

    fn cause(&mut self, tuple: &FlowTuple, judged: &JudgedConnection) -> Option<String> {
        let (ip, port) = tuple.backend.unwrap_or((tuple.dst, tuple.dport));
        let connection = Connection {
            src: self.identity.party(tuple.src, self.now),
            dst: self.identity.party(ip, self.now),
            protocol: flow_model::policies::Protocol::Tcp,
            port,
        };
        self.history.cause(self.identity.inventory(), &connection, &judged.verdict.policies)
    }
}

/// The tuple of a finding's example.
fn between(src: &Endpoint, dst: &Endpoint) -> FlowTuple {
    let backend = dst.backend_ip.map(|ip| (ip, dst.backend_port.unwrap_or(dst.port)));
    let backend = backend.or_else(|| dst.backend_port.map(|port| (dst.ip, port)));
    // A client from outside may have come under a node's address, which the record does not tell: all are asked then.
    let outside = src.pod.is_none() && src.node.is_none() && dst.service.is_some();
    let backend = backend.filter(|_| !outside);
    FlowTuple { src: src.ip, sport: src.port, dst: dst.ip, dport: dst.port, backend }
}
