//! The engine: inputs with their time in, named records and counts out.

use std::collections::VecDeque;

use arcstr::{ArcStr, literal};
use flow_identity::Identity;
use flow_model::decision::Decision;
use flow_model::flow::{FlowTuple, Outcome, Pair, Phase, Vantage};
use flow_model::input::{AttemptSeen, DropDelta, DropSeen, Input, LostStage, PairDelta, ResetSeen};
use flow_model::output::{DropUpdate, Output, PairUpdate};
use flow_model::record::{Attempt, Drop, Endpoint, Event, FlowRecord, Lost, Reset};
use flow_policy::history::History;
use jiff::Timestamp;

use crate::awaiting_drop::Held;
use crate::awaiting_name::Strangers;
use crate::bursts::{BurstConfig, Bursts, Endpoints};
use crate::connections::Connections;
use crate::facts::ResetFacts;
use crate::findings::{Findings, FindingsConfig};
use crate::judge::Judge;
use crate::signal;
use crate::vips::{VipConfig, Vips};

mod checks;
mod recent;
mod verdicts;
mod vips;

use self::recent::Recent;

/// What counts as a finding.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    pub findings: FindingsConfig,
    pub vips: VipConfig,
    pub bursts: BurstConfig,
}

/// Turns what one node's kernel and cluster say into what people read. Sans-IO: feed [`Engine::handle`], then
/// drain [`Engine::next_output`].
pub struct Engine {
    node: ArcStr,
    identity: Identity,
    /// Rejected attempts wait for the drop of their SYN, which follows and names the backend.
    held: Held,
    strangers: Strangers,
    judge: Judge,
    recent: Recent,
    findings: Findings,
    connections: Connections,
    history: History,
    vips: Vips,
    endpoints: Endpoints,
    bursts: Bursts,
    /// When the open connections were told last.
    told_open: Option<Timestamp>,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine for the node of this name, which knows no cluster yet.
    #[must_use]
    pub fn new(node: impl Into<ArcStr>) -> Self {
        Self::configured(node, EngineConfig::default())
    }

    /// As [`Engine::new`], with other times and sizes for findings.
    #[must_use]
    pub fn configured(node: impl Into<ArcStr>, config: EngineConfig) -> Self {
        let node = node.into();
        Self {
            findings: Findings::new(node.clone(), config.findings),
            identity: Identity::new(),
            held: Held::default(),
            strangers: Strangers::default(),
            judge: Judge::new(),
            recent: Recent::default(),
            connections: Connections::default(),
            history: History::default(),
            vips: Vips::new(node.clone(), config.vips),
            endpoints: Endpoints::default(),
            bursts: Bursts::new(config.bursts),
            told_open: None,
            node,
            outputs: VecDeque::new(),
        }
    }

    /// Handles one input.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Attempt(seen) if seen.outcome == Outcome::Rejected => {
                let said = self.judge.decide(&self.identity, &judged(&seen), seen.time);
                self.note(&seen.tuple, said, now);
                if let Some(crowded_out) = self.held.hold(seen, now) {
                    self.attempt(crowded_out, now);
                }
            }
            Input::Attempt(seen) => self.attempt(seen, now),
            Input::Reset(seen) => self.reset(&seen),
            Input::Drop(seen) => self.drop(seen, now),
            Input::Pairs { deltas } => deltas.into_iter().for_each(|d| self.pair(d, now)),
            Input::Drops { deltas } => deltas.into_iter().for_each(|d| self.drops(d, now)),
            Input::Lost { stage, count } => self.lost(stage, count, now),
            Input::Cluster { inventory } => self.cluster(inventory, now),
            Input::Announcement(seen) => self.vips.announcement(&seen),
            Input::Unclaimed { count } => self.outputs.push_back(Output::Unclaimed { count }),
            Input::Neighbours { neighbours, own } => self.vips.neighbours(&neighbours, &own),
            Input::Check(result) => self.check(result),
            Input::Connections { opened, closed } => self.connections.apply(&opened, &closed),
            Input::Tick => self.tick(now),
        }
        for due in self.held.due(now) {
            self.attempt(due, now);
        }
        for due in self.strangers.due(now) {
            self.tell(&due);
        }
        self.judge_connections(now);
        self.count_left_out();
        self.drain_vips();
        self.drain_findings();
    }

    /// The next effect, until there is none.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Releases what is still held back: at the end of a recording, or of the agent.
    pub fn finish(&mut self) {
        for seen in self.held.drain().into_iter().chain(self.strangers.drain()) {
            self.tell(&seen);
        }
        self.drain_findings();
    }

    fn tick(&mut self, now: Timestamp) {
        self.judge.tick();
        self.watch_vips(now);
        self.findings.tick(now);
        self.tell_open(now);
        self.identity.prune(now);
        let gone = self.identity.departed(now);
        if !gone.is_empty() {
            self.outputs.push_back(Output::Departed(gone));
        }
    }

    fn attempt(&mut self, seen: AttemptSeen, now: Timestamp) {
        let told = match self.identity.is_stranger(seen.tuple.src, seen.time) {
            true => self.strangers.hold(seen, now),
            false => Some(seen),
        };
        if let Some(seen) = told {
            self.tell(&seen);
        }
    }

    fn tell(&mut self, seen: &AttemptSeen) {
        let t = &seen.tuple;
        let verdict = self.judge.verdict(&self.identity, &judged(seen), seen.time);
        self.note(t, verdict.as_ref().map_or(Decision::Unknown, |verdict| verdict.decision), seen.time);
        let attempt = Attempt {
            vantage: seen.vantage,
            outcome: seen.outcome,
            signal: signal::of_attempt(seen),
            icmp_type: seen.icmp.map(|(kind, _)| kind),
            icmp_code: seen.icmp.map(|(_, code)| code),
            drop_reason: seen.drop_reason.clone(),
            src: self.identity.endpoint(t.src, t.sport, seen.time),
            dst: self.identity.server(t.dst, t.dport, t.backend, seen.time),
            latency_us: (seen.outcome != Outcome::Unanswered).then_some(seen.latency_ns / 1_000),
            syn_retransmits: seen.syns.saturating_sub(1),
            verdict,
        };
        self.find(seen, &attempt);
        self.record(seen.time, Event::Attempt(attempt));
    }

    fn reset(&mut self, seen: &ResetSeen) {
        let t = &seen.tuple;
        let src = self.identity.endpoint(t.src, t.sport, seen.time);
        let dst = self.identity.server(t.dst, t.dport, t.backend, seen.time);
        let vip = self.identity.vip(t.dst, t.dport, seen.time);
        let named = vip.map(|vip| arcstr::format!("{vip}"));
        let reset = Reset { vantage: seen.vantage, by: seen.by, phase: seen.phase, vip: named, src, dst };
        if let Some(vip) = vip.filter(|_| reset.phase != Phase::Handshake) {
            self.vips.reset(vip, seen.time);
        }
        self.bursts.reset(&ResetFacts { time: seen.time, reset: &reset, vip });
        self.record(seen.time, Event::Reset(reset));
    }

    fn drop(&mut self, mut seen: DropSeen, now: Timestamp) {
        if signal::is_syn(seen.protocol, seen.tcp_flags)
            && let Some(attempt) = self.held.release(&seen)
        {
            // The attempt knows how the client addressed what the dropped packet names after DNAT.
            seen.tuple.backend = attempt.tuple.backend;
            (seen.tuple.dst, seen.tuple.dport) = (attempt.tuple.dst, attempt.tuple.dport);
            self.attempt(attempt, now);
        }
        let t = &seen.tuple;
        let src = self.identity.endpoint(t.src, t.sport, seen.time);
        let dst = self.identity.server(t.dst, t.dport, t.backend, seen.time);
        if !self.concerns_us(&src, &dst) {
            return;
        }
        let vantage = self.drop_vantage(&src, &dst, seen.time);
        let drop = Drop {
            vantage,
            reason: seen.reason,
            protocol: signal::protocol(seen.protocol),
            tcp_flags: signal::flags(seen.protocol, seen.tcp_flags),
            src,
            dst,
        };
        self.record(seen.time, Event::Drop(drop));
    }

    fn pair(&mut self, delta: PairDelta, now: Timestamp) {
        let pair = delta.pair.map(|pair| {
            let src = self.identity.endpoint(pair.src, 0, now);
            let dst = self.identity.server(pair.dst, pair.dport, None, now);
            (Pair { vantage: self.pair_vantage(&pair, now), ..pair }, src, dst)
        });
        let verdict = self.pair_verdict(delta.pair, now);
        self.outputs.push_back(Output::Pair(PairUpdate { pair, verdict, counts: delta.counts }));
    }

    fn drops(&mut self, delta: DropDelta, now: Timestamp) {
        let pair = match delta.pair {
            Some((src, dst, dport)) => {
                let src = self.identity.endpoint(src, 0, now);
                let dst = self.identity.server(dst, dport, None, now);
                if !self.concerns_us(&src, &dst) {
                    return;
                }
                let vantage = self.drop_vantage(&src, &dst, now);
                Some((src, dst, vantage))
            }
            None => None,
        };
        self.outputs.push_back(Output::Drops(DropUpdate { pair, reason: delta.reason, count: delta.count }));
    }

    fn lost(&mut self, stage: LostStage, count: u64, now: Timestamp) {
        self.outputs.push_back(Output::Lost { stage, count });
        if stage == LostStage::Ring {
            self.record(now, Event::Lost(Lost { lost: count, stage: literal!("ring") }));
        }
    }

    /// The drop tracepoint hears of every namespace of the machine, so of traffic that is not the cluster's.
    fn concerns_us(&self, src: &Endpoint, dst: &Endpoint) -> bool {
        let named = |e: &Endpoint| e.pod.is_some() || e.service.is_some() || e.node.is_some();
        self.identity.is_empty() || named(src) || named(dst)
    }

    /// An uplink does not know what its packet is for; the addresses may.
    fn pair_vantage(&self, pair: &Pair, now: Timestamp) -> Vantage {
        let local = |ip| self.identity.is_local_pod(ip, &self.node, now) == Some(true);
        match pair.vantage {
            Vantage::Transit if local(pair.src) => Vantage::Source,
            Vantage::Transit if local(pair.dst) => Vantage::Destination,
            seen => seen,
        }
    }

    fn drop_vantage(&self, src: &Endpoint, dst: &Endpoint, at: Timestamp) -> Vantage {
        let local = |ip| self.identity.is_local_pod(ip, &self.node, at) == Some(true);
        if local(src.ip) {
            Vantage::Source
        } else if local(dst.backend_ip.unwrap_or(dst.ip)) {
            Vantage::Destination
        } else {
            Vantage::Transit
        }
    }

    fn record(&mut self, time: Timestamp, event: Event) {
        self.outputs.push_back(Output::Record(FlowRecord { time, node: self.node.clone(), event }));
    }
}

/// Policies know the client by the address it comes with.
fn judged(seen: &AttemptSeen) -> FlowTuple {
    FlowTuple { src: seen.masqueraded.unwrap_or(seen.tuple.src), ..seen.tuple }
}

#[cfg(test)]
mod tests;
