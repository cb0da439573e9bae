//! Resets, drops and counters, with the names of their sides.

use std::net::IpAddr;

use flow_model::decision::Decision;
use flow_model::flow::{FlowTuple, Pair, Phase, Vantage};
use flow_model::input::{DropDelta, DropSeen, PairDelta, ResetSeen};
use flow_model::output::{DropUpdate, Output, PairUpdate};
use flow_model::record::{Drop, Endpoint, Event, Reset};
use jiff::Timestamp;

use crate::enforcer_log::SynKey;
use crate::engine::Engine;
use crate::facts::ResetFacts;
use crate::signal;

impl Engine {
    /// Records a reset and passes it to the detectors.
    pub(super) fn reset(&mut self, seen: &ResetSeen) {
        let resolved = self.identity.resolve(&seen.tuple, seen.time);
        let vip = resolved.vip();
        let reset = Reset {
            vantage: seen.vantage,
            by: seen.by,
            phase: seen.phase,
            vip: vip.map(|vip| arcstr::format!("{vip}")),
            origin: seen.origin.clone(),
            cause: seen.cause,
            src: resolved.client_endpoint(),
            dst: resolved.server_endpoint(),
        };
        if let Some(vip) = vip.filter(|_| reset.phase != Phase::Handshake) {
            self.vips.reset(vip, seen.time);
        }
        self.scans.reset(&reset);
        self.bursts.reset(&ResetFacts { time: seen.time, reset: &reset, vip });
        self.record(seen.time, Event::Reset(reset));
    }

    /// Records a drop, and releases the attempt that it explains unless the enforcer's log may follow.
    pub(super) fn drop(&mut self, mut seen: DropSeen, now: Timestamp) {
        if signal::is_syn(seen.protocol, seen.tcp_flags)
            && let Some(attempt) = self.awaiting_drop.complete(&seen)
        {
            // The attempt knows how the client addressed what the dropped packet names after DNAT.
            seen.tuple.backend = attempt.tuple.backend;
            (seen.tuple.dst, seen.tuple.dport) = (attempt.tuple.dst, attempt.tuple.dport);
            let key = SynKey::of(attempt);
            if !self.enforcer_log.may_come(key)
                && let Some(attempt) = self.awaiting_drop.release(key)
            {
                self.attempt(attempt, now);
            }
        }
        let Some((src, dst, vantage)) = self.dropped(&seen.tuple, seen.time) else { return };
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

    /// Names the counters of a pair.
    pub(super) fn pair(&mut self, delta: PairDelta, now: Timestamp) {
        let (pair, verdict) = match delta.pair {
            Some(pair) => {
                let resolved = self.identity.resolve(&unopened(pair.src, pair.dst, pair.dport), now);
                let by_uplink = matches!(pair.vantage, Vantage::Transit | Vantage::Destination);
                if by_uplink && delta.counts.syn > 0 && !resolved.client_is_on(&self.node) {
                    self.vips.received(pair.src.to_canonical(), pair.dst.to_canonical(), now);
                }
                // The attempts counted here may have been judged before a policy changed.
                let recent = self.recent.decision(&pair, now);
                // An uplink does not know what its packet is for; the addresses may.
                let vantage = match pair.vantage {
                    Vantage::Transit => resolved.vantage(&self.node),
                    seen => seen,
                };
                let named =
                    (Pair { vantage, ..pair }, resolved.client_endpoint(), resolved.server_endpoint());
                (Some(named), recent.unwrap_or_else(|| self.judge.decide(&resolved)))
            }
            None => (None, Decision::Unknown),
        };
        self.drain_vips();
        self.outputs.push_back(Output::Pair(PairUpdate { pair, verdict, counts: delta.counts }));
    }

    /// Reports floods and scans.
    pub(super) fn watch_sources(&mut self, now: Timestamp) {
        let identity = &self.identity;
        let names = |src, dst, dport| {
            let resolved = identity.resolve(&unopened(src, dst, dport), now);
            (resolved.client_endpoint(), resolved.server_endpoint())
        };
        let floods = self.floods.tick(&names, now);
        self.findings.report(floods, now);
        let scans = self.scans.tick(now);
        self.findings.report(scans, now);
    }

    /// Names a drop counter.
    pub(super) fn drops(&mut self, delta: DropDelta, now: Timestamp) {
        let pair = match delta.pair {
            Some((src, dst, dport)) => match self.dropped(&unopened(src, dst, dport), now) {
                None => return,
                pair => pair,
            },
            None => None,
        };
        self.outputs.push_back(Output::Drops(DropUpdate { pair, reason: delta.reason, count: delta.count }));
    }

    /// Names the sides of a drop. Returns `None` for traffic that is not the cluster's: the drop tracepoint sees all that
    /// the node drops.
    fn dropped(&self, tuple: &FlowTuple, at: Timestamp) -> Option<(Endpoint, Endpoint, Vantage)> {
        let resolved = self.identity.resolve(tuple, at);
        let (src, dst) = (resolved.client_endpoint(), resolved.server_endpoint());
        let named = |e: &Endpoint| e.pod.is_some() || e.service.is_some() || e.node.is_some();
        let concerns_us = self.identity.is_empty() || named(&src) || named(&dst);
        concerns_us.then(|| (src, dst, resolved.vantage(&self.node)))
    }
}

/// Returns the tuple of a counter, which knows neither the client's port nor the backend.
fn unopened(src: IpAddr, dst: IpAddr, dport: u16) -> FlowTuple {
    FlowTuple { src, sport: 0, dst, dport, backend: None }
}
