//! What an attempt tells about enforcement: the changes near it, and where its policies are enforced.

use std::net::IpAddr;
use std::sync::Arc;

use flow_identity::{Identity, Resolved};
use flow_model::decision::Decision;
use flow_model::flow::Outcome;
use flow_model::input::AttemptSeen;
use flow_model::inventory::Pod;
use flow_model::output::Output;
use flow_model::policies::Direction;
use flow_model::record::{Attempt, FlowVerdict, LagSince};
use flow_policy::history::History;
use jiff::Timestamp;

use crate::agreement::{Agreement, agreement, decision};
use crate::enforcement::{Change, Flips, HORIZON, Lag, Measured, Tried};
use crate::engine::Engine;
use crate::facts::Backends;

impl Engine {
    /// Reports the measurements that are complete, and what is usual.
    pub(super) fn measure_enforcement(&mut self, now: Timestamp) {
        self.flips.tick();
        let lags = self.enforcement.tick(now);
        self.outputs.extend(lags.into_iter().map(|Lag { since, lag }| Output::EnforcementLag { since, lag }));
        let usual = self.enforcement.take_usual();
        self.outputs.extend(usual.into_iter().map(|(since, lag)| Output::UsualLag { since, lag }));
    }
}

/// Returns the verdict on an attempt without an answer. Where the policies came to their decision after its last SYN, it met
/// others, and their verdict is not known any more.
pub(super) fn as_met(
    flips: &mut Flips,
    sources: (&Identity, &History),
    seen: &AttemptSeen,
    resolved: &Resolved<'_>,
    now: Arc<FlowVerdict>,
) -> Arc<FlowVerdict> {
    let would = match now.decision {
        Decision::Unknown => return now,
        Decision::Deny => "refuse",
        Decision::Allow => "allow",
    };
    let is_late = seen.outcome == Outcome::Unanswered
        && flips.is_newer(sources, resolved, now.decision, seen.last_syn());
    if !is_late {
        return now;
    }
    let explanation = format!("the policies changed after its last SYN; now they would {would} it");
    Arc::new(FlowVerdict { decision: Decision::Unknown, direction: None, policies: Vec::new(), explanation })
}

/// What is known around an attempt.
pub(super) struct Surroundings<'a> {
    pub(super) node: &'a str,
    pub(super) identity: &'a Identity,
    pub(super) history: &'a History,
    pub(super) backends: Option<Backends>,
}

impl Surroundings<'_> {
    /// Collects what an attempt tells about enforcement.
    pub(super) fn tried(
        &self,
        flips: &mut Flips,
        seen: &AttemptSeen,
        resolved: &Resolved<'_>,
        attempt: &Attempt,
    ) -> Tried {
        let agreement = agreement(attempt, self.backends);
        let met = seen.last_syn();
        let changes = match agreement {
            Agreement::Nothing => [None; 4],
            _ => {
                let of_policies = |measured| move |at| Change { since: LagSince::Policy, at, measured };
                let (sources, sides) = ((self.identity, self.history), (&seen.tuple, resolved));
                let flip = flips.of(sources, sides, decision(attempt), met);
                let last = self.history.last_relevant_change();
                let [client, server] = pods(resolved, seen, attempt);
                let measured = Measured { address: None, proves: true };
                [client, server, flip.map(of_policies(Some(measured))), last.map(of_policies(None))]
            }
        };
        Tried { time: seen.time, met, agreement, changes, here: self.is_here(resolved, attempt) }
    }

    /// Is true where this node enforces the policies that decide about an attempt. Of what they allow it is not known whose
    /// policies decide, so that it must not leave the node, or a firewall here must have stopped it.
    fn is_here(&self, resolved: &Resolved<'_>, attempt: &Attempt) -> bool {
        let is_local = |pod: &Pod| pod.node.as_deref() == Some(self.node);
        let verdict = attempt.verdict.as_ref();
        match verdict.map_or(Decision::Unknown, |verdict| verdict.decision) {
            Decision::Deny => match verdict.and_then(|verdict| verdict.direction) {
                Some(Direction::Ingress) => resolved.server_pod().is_some_and(is_local),
                Some(Direction::Egress) => resolved.client_pod().is_some_and(is_local),
                None => false,
            },
            Decision::Allow => {
                let dropped_here = attempt.drop_reason.as_ref().is_some_and(|by| by.contains("NETFILTER"));
                let pods = [resolved.client_pod(), resolved.server_pod()];
                dropped_here || pods.into_iter().flatten().all(is_local)
            }
            Decision::Unknown => false,
        }
    }
}

/// Returns the starts of both pods. The enforcer can't know a pod's address before the API has it, and nor does the agent,
/// so that the time at which the agent saw it there is the best start. Where it was there before the agent, the pod's own
/// start only explains.
fn pods(resolved: &Resolved<'_>, seen: &AttemptSeen, attempt: &Attempt) -> [Option<Change>; 2] {
    let isolated = attempt.verdict.as_ref().and_then(|verdict| verdict.direction);
    let server = seen.tuple.backend.map_or(seen.tuple.dst, |(ip, _)| ip);
    let start = |pod: Option<&Pod>, listed: Option<Timestamp>, ip: IpAddr, direction| {
        let start = pod?.start;
        // A pod that is listed long after its start is only new to the agent.
        let is_new = |listed: &Timestamp| start.is_none_or(|start| listed.duration_since(start) <= HORIZON);
        let measured = Measured { address: Some(ip.to_canonical()), proves: isolated == Some(direction) };
        let known = listed.filter(is_new);
        let at = known.or(start)?;
        Some(Change { since: LagSince::Pod, at, measured: known.map(|_| measured) })
    };
    [
        start(resolved.client_pod(), resolved.client_listed(), seen.tuple.src, Direction::Egress),
        start(resolved.server_pod(), resolved.server_listed(), server, Direction::Ingress),
    ]
}
