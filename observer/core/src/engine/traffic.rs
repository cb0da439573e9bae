//! Resets and counters of pairs, with the names of their sides.

use std::net::IpAddr;

use flow_model::decision::Decision;
use flow_model::flow::{FlowTuple, Pair, Phase, Vantage};
use flow_model::input::{PairDelta, ResetSeen};
use flow_model::output::{Output, PairUpdate};
use flow_model::record::{Event, Reset};
use jiff::Timestamp;

use crate::engine::Engine;
use crate::facts::ResetFacts;

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

    /// Counts a pair, or holds its counters until both addresses have names.
    pub(super) fn pair(&mut self, delta: PairDelta, now: Timestamp) {
        if let Some(pair) = delta.pair {
            let resolved = self.identity.resolve(&unopened(pair.src, pair.dst, pair.dport), now);
            let by_uplink = matches!(pair.vantage, Vantage::Transit | Vantage::Destination);
            if by_uplink && delta.counts.syn > 0 && !resolved.client_is_on(&self.node) {
                self.vips.received(pair.src.to_canonical(), pair.dst.to_canonical(), now);
            }
            let unnamed =
                [(pair.src, resolved.client_is_unnamed()), (pair.dst, resolved.server_is_unnamed())];
            self.drain_vips();
            if unnamed.into_iter().any(|(ip, unnamed)| unnamed && !self.awaiting_name.gave_up(ip)) {
                if let Some((since, crowded_out)) = self.awaiting_name.hold_pair(delta, now) {
                    self.count(crowded_out, since);
                }
                return;
            }
        }
        self.count(delta, now);
    }

    /// Names the counters of a pair by what was known at that time.
    pub(super) fn count(&mut self, delta: PairDelta, at: Timestamp) {
        let (pair, verdict) = match delta.pair {
            Some(pair) => {
                let resolved = self.identity.resolve(&unopened(pair.src, pair.dst, pair.dport), at);
                // The attempts counted here may have been judged before a policy changed.
                let recent = self.recent.decision(&pair, at);
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
}

/// Returns the tuple of a counter, which knows neither the client's port nor the backend.
pub(super) fn unopened(src: IpAddr, dst: IpAddr, dport: u16) -> FlowTuple {
    FlowTuple { src, sport: 0, dst, dport, backend: None }
}
