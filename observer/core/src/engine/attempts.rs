//! Attempts: how long they wait, their record, and the findings that follow.

use std::sync::Arc;

use flow_identity::Resolved;
use flow_model::decision::Decision;
use flow_model::finding::Cause;
use flow_model::flow::Outcome;
use flow_model::input::{AttemptSeen, LoggedSyn};
use flow_model::inventory::Probe;
use flow_model::output::Output;
use flow_model::record::{Attempt, EnforcerStatement, Event, FlowVerdict, LossCause};
use jiff::Timestamp;

use crate::enforcer_log::Logged;
use crate::engine::Engine;
use crate::engine::enforcement::{Surroundings, as_met};
use crate::facts::{AttemptFacts, Backends};
use crate::scans::Scanning;
use crate::signal;

/// Decides what happens to an attempt whose client has no name yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// It waits for the name.
    Waits,
    /// It is reported without.
    Exhausted,
}

impl Engine {
    /// Holds a rejected attempt until the drop of its SYN names the backend. Its counters may arrive earlier, so the
    /// decision is remembered already.
    pub(super) fn rejected(&mut self, seen: AttemptSeen, now: Timestamp) {
        let resolved = self.identity.resolve(&seen.tuple, seen.time).masqueraded_as(seen.masqueraded);
        self.recent.remember(&seen.tuple, self.judge.decide(&resolved), now);
        if let Some(crowded_out) = self.awaiting_drop.hold(seen, now) {
            self.attempt(crowded_out, now);
        }
    }

    /// Takes a line of the enforcer's log, and reports what waited for nothing else.
    pub(super) fn logged(&mut self, seen: LoggedSyn, now: Timestamp) {
        let key = self.enforcer_log.add(seen);
        self.release(key, now);
    }

    /// Reports an attempt, or holds it until its client has a name.
    pub(super) fn attempt(&mut self, seen: AttemptSeen, now: Timestamp) {
        if !self.report(&seen, Patience::Waits)
            && let Some(crowded_out) = self.awaiting_name.hold(seen, now)
        {
            self.report(&crowded_out, Patience::Exhausted);
        }
    }

    /// Reports an attempt as a record and to the detectors; returns false if it must wait for its client's name first.
    /// An attempt that had to wait was resolved before that, too: for its decision, or to see that its client has no
    /// name.
    pub(super) fn report(&mut self, seen: &AttemptSeen, patience: Patience) -> bool {
        let resolved = self.identity.resolve(&seen.tuple, seen.time).masqueraded_as(seen.masqueraded);
        let resolved = resolved.owned_by(seen.client_uid.as_deref(), seen.server_uid.as_deref(), &self.node);
        let may_wait = patience == Patience::Waits && resolved.client_is_unnamed();
        if may_wait && !self.awaiting_name.gave_up(seen.tuple.src) {
            return false;
        }
        let sources = (&self.identity, &self.history);
        let verdict =
            self.judge.verdict(&resolved).map(|now| as_met(&mut self.flips, sources, seen, &resolved, now));
        let decision = verdict.as_ref().map_or(Decision::Unknown, |verdict| verdict.decision);
        self.recent.remember(&seen.tuple, decision, seen.time);
        let logged = self.enforcer_log.take(seen);
        let cause = self.table_full.cause(seen).or_else(|| accept_queue_full(seen));
        let accept_backlog = seen.accept_backlog.filter(|_| cause == Some(LossCause::AcceptQueueFull));
        let mut attempt = Attempt { cause, accept_backlog, ..named(seen, &resolved, verdict, logged) };
        let backends = backends(&resolved);
        let near =
            Surroundings { node: &self.node, identity: &self.identity, history: &self.history, backends };
        let tried = near.tried(&mut self.flips, seen, &resolved, &attempt);
        let standing = self.enforcement.attempt(&tried);
        attempt.enforcement_lag = standing.lag;
        let cause = self.cause(&resolved, &attempt);
        let policy_change = self.history.last_relevant_change();
        let facts = AttemptFacts {
            policy_change,
            settling: standing.settling,
            backends,
            cause: cause.as_ref(),
            ..facts(seen, &resolved, &attempt)
        };
        self.outputs.extend(self.unfollowed.attempt(seen, &resolved, &self.blind_spots).map(Output::Sight));
        if !self.reached.since_last_syn(seen) {
            self.report_to_findings(&facts, seen);
        }
        self.record(seen.time, Event::Attempt(attempt));
        true
    }

    /// Returns the change by which the policies came to refuse a failed attempt, if a finding begins with it.
    fn cause(&self, resolved: &Resolved<'_>, attempt: &Attempt) -> Option<Cause> {
        let verdict = attempt.verdict.as_ref()?;
        let is_refused = verdict.decision == Decision::Deny && attempt.outcome != Outcome::Established;
        if !is_refused || !self.findings.needs_cause(attempt) {
            return None;
        }
        self.history.cause(self.identity.inventory(), &resolved.connection(), &verdict.policies)
    }

    fn report_to_findings(&mut self, facts: &AttemptFacts<'_>, seen: &AttemptSeen) {
        match self.scans.attempt(facts) {
            None if self.floods.explains(facts.attempt) => self.findings.attempt_explained(facts),
            None => self.findings.attempt(facts),
            Some(Scanning { source, begins }) => {
                if let Some(since) = begins {
                    self.findings.fold_into_scan(source, since, facts.time);
                }
                self.findings.attempt_explained(facts);
            }
        }
        let denied = facts.attempt.verdict.as_ref().is_some_and(|v| v.decision == Decision::Deny);
        if denied && seen.outcome == Outcome::Established {
            self.connections.not_latent(&seen.tuple, seen.time);
        }
    }
}

/// Returns the cause of an attempt without an answer whose SYN met a full accept queue. One that was dropped elsewhere, by a
/// firewall in the pod, did not come so far.
fn accept_queue_full(seen: &AttemptSeen) -> Option<LossCause> {
    let is_lost = seen.outcome == Outcome::Unanswered && seen.drop_reason.is_none();
    seen.accept_backlog.filter(|_| is_lost).map(|_| LossCause::AcceptQueueFull)
}

/// Makes the record of an attempt.
fn named(
    seen: &AttemptSeen,
    resolved: &Resolved<'_>,
    verdict: Option<Arc<FlowVerdict>>,
    logged: Option<Logged>,
) -> Attempt {
    Attempt {
        vantage: seen.vantage,
        outcome: seen.outcome,
        signal: signal::of_attempt(seen),
        icmp_type: seen.icmp.map(|(kind, _)| kind),
        icmp_code: seen.icmp.map(|(_, code)| code),
        drop_reason: seen.drop_reason.clone(),
        cause: None,
        accept_backlog: None,
        enforcer: logged.as_ref().map(|_| EnforcerStatement::Logged),
        enforcer_policy: logged.and_then(|logged| logged.policy),
        enforcement_lag: None,
        origin: seen.origin.clone(),
        src: resolved.client_endpoint(),
        dst: resolved.server_endpoint(),
        count: seen.count,
        latency_us: (seen.outcome != Outcome::Unanswered && seen.count == 1)
            .then_some(seen.latency_ns / 1_000),
        syn_retransmits: seen.syns.saturating_sub(1),
        // Several attempts have none in common.
        isn: if seen.count == 1 { seen.isn } else { 0 },
        verdict,
    }
}

/// Counts the backends of the Service port that was addressed.
fn backends(resolved: &Resolved<'_>) -> Option<Backends> {
    resolved.service_port().map(|behind| Backends {
        ready: behind.backends().filter(|backend| backend.ready).count(),
        all: behind.backends().count(),
    })
}

/// Collects what findings need beside the record, as far as the two sides show it.
fn facts<'a>(seen: &AttemptSeen, resolved: &Resolved<'_>, attempt: &'a Attempt) -> AttemptFacts<'a> {
    AttemptFacts {
        time: seen.time,
        attempt,
        src_start: resolved.client_pod().and_then(|pod| pod.start),
        dst_start: resolved.server_pod().and_then(|pod| pod.start),
        policy_change: None,
        settling: false,
        backends: None,
        probe: probe(resolved, attempt),
        cause: None,
    }
}

/// Returns the probe of the server's pod that an attempt of its own node looks like.
fn probe(resolved: &Resolved<'_>, attempt: &Attempt) -> Option<Probe> {
    let pod = resolved.server_pod()?;
    let is_of_its_node =
        attempt.src.pod.is_none() && attempt.src.node.is_some() && attempt.src.node == pod.node;
    let direct = is_of_its_node && attempt.dst.backend_ip.is_none();
    pod.probes.iter().find(|probe| direct && probe.port == attempt.dst.port).copied()
}
