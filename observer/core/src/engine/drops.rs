//! Dropped packets: their record, and the attempts and lines of the enforcer's log that belong to dropped SYNs.

use flow_identity::Resolved;
use flow_model::flow::Vantage;
use flow_model::input::{DropDelta, DropSeen};
use flow_model::output::{DropUpdate, Output};
use flow_model::record::{Drop, Endpoint, EnforcerStatement, Event};
use jiff::Timestamp;

use crate::enforcer_log::{Logged, SynKey};
use crate::engine::Engine;
use crate::engine::traffic::unopened;
use crate::signal;

/// Most dropped SYNs that wait for their line. Past this the oldest is recorded as it is.
pub(super) const LIMIT: usize = 1_024;

impl Engine {
    /// Records a drop, and releases the attempt that it explains. Both wait where the enforcer's log may follow.
    pub(super) fn drop(&mut self, mut seen: DropSeen, now: Timestamp) {
        if !signal::is_syn(seen.protocol, seen.tcp_flags) {
            return self.dropped(&seen, None);
        }
        if let Some(attempt) = self.awaiting_drop.complete(&seen) {
            // The attempt knows how the client addressed what the dropped packet names after DNAT.
            seen.tuple.backend = attempt.tuple.backend;
            (seen.tuple.dst, seen.tuple.dport) = (attempt.tuple.dst, attempt.tuple.dport);
        }
        let key = SynKey::of_dropped(&seen);
        let crowded_out = self.awaiting_line.hold(key, seen, now);
        if !self.enforcer_log.may_come(key) {
            self.release(key, now);
        }
        if let Some(crowded_out) = crowded_out {
            self.dropped(&crowded_out, None);
        }
    }

    /// Reports the attempt and the drop of a SYN for which nothing more is awaited.
    pub(super) fn release(&mut self, key: SynKey, now: Timestamp) {
        // An attempt takes the line, as it is reported once.
        let line = self.enforcer_log.line(key).cloned();
        if let Some(attempt) = self.awaiting_drop.release_completed(key) {
            self.attempt(attempt, now);
        }
        if let Some(seen) = self.awaiting_line.release(key) {
            self.dropped(&seen, line);
        }
    }

    /// Records a drop. What the policies say and what the enforcer logged stands beside that of a SYN, as its attempt may be
    /// seen on another node only.
    pub(super) fn dropped(&mut self, seen: &DropSeen, line: Option<Logged>) {
        let resolved = self.identity.resolve(&seen.tuple, seen.time);
        let Some((src, dst, vantage)) = self.named(&resolved) else { return };
        let is_syn = signal::is_syn(seen.protocol, seen.tcp_flags);
        let drop = Drop {
            vantage,
            reason: seen.reason.clone(),
            protocol: signal::protocol(seen.protocol),
            tcp_flags: signal::flags(seen.protocol, seen.tcp_flags),
            enforcer: line.as_ref().map(|_| EnforcerStatement::Logged),
            enforcer_policy: line.and_then(|line| line.policy),
            src,
            dst,
            verdict: is_syn.then(|| self.judge.verdict(&resolved)).flatten(),
        };
        self.record(seen.time, Event::Drop(drop));
    }

    /// Names a drop counter.
    pub(super) fn drops(&mut self, delta: DropDelta, now: Timestamp) {
        let pair = match delta.pair {
            Some((src, dst, dport)) => {
                match self.named(&self.identity.resolve(&unopened(src, dst, dport), now)) {
                    None => return,
                    pair => pair,
                }
            }
            None => None,
        };
        self.outputs.push_back(Output::Drops(DropUpdate { pair, reason: delta.reason, count: delta.count }));
    }

    /// Names the sides of a drop. Returns `None` for traffic that is not the cluster's: the drop tracepoint sees all that
    /// the node drops.
    fn named(&self, resolved: &Resolved<'_>) -> Option<(Endpoint, Endpoint, Vantage)> {
        let (src, dst) = (resolved.client_endpoint(), resolved.server_endpoint());
        let named = |e: &Endpoint| e.pod.is_some() || e.service.is_some() || e.node.is_some();
        let concerns_us = self.identity.is_empty() || named(&src) || named(&dst);
        concerns_us.then(|| (src, dst, resolved.vantage(&self.node)))
    }
}
