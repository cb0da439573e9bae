//! The sentences of findings.

use std::fmt::Write as _;

use flow_model::decision::Decision;
use flow_model::flow::{FlowTuple, Outcome, Vantage};
use flow_model::inventory::Probe;
use flow_model::policies::Direction;
use flow_model::record::{Attempt, Endpoint, EnforcementLag, EnforcerStatement, LagSince};

use crate::facts::{AttemptFacts, Backends, LatentGroup};
use crate::findings::parties::{service, who, who_at, whom};

/// Builds the sentences about one attempt.
pub(super) struct AttemptSentences<'a> {
    attempt: &'a Attempt,
    backends: Option<Backends>,
    probe: Option<Probe>,
    node: &'a str,
}

impl<'a> AttemptSentences<'a> {
    pub(super) fn new(facts: &AttemptFacts<'a>, node: &'a str) -> Self {
        Self { attempt: facts.attempt, backends: facts.backends, probe: facts.probe, node }
    }

    pub(super) fn denied(&self) -> String {
        denied(self.attempt)
    }

    pub(super) fn connected(&self) -> String {
        let Attempt { src, dst, .. } = self.attempt;
        let (refusal, enforcer) = (refusal(self.attempt), self.enforcer());
        format!(
            "{} connected to {} although the policies refuse it: {refusal}; {} not enforced on {enforcer}",
            who(src),
            whom(dst),
            self.policies_are(),
        )
    }

    pub(super) fn no_backend(&self) -> String {
        self.cannot_reach(&self.lacks_backends())
    }

    pub(super) fn stopped_by_firewall(&self, by: &str) -> String {
        let Attempt { src, dst, .. } = self.attempt;
        let stopped = self.stopped();
        let says = self.attempt.verdict.as_ref().map(|verdict| format!(": {}", verdict.explanation));
        format!(
            "{}'s connection to {} is {stopped} by a firewall ({by}) although the policies allow it{}",
            who(src),
            whom(dst),
            says.unwrap_or_default(),
        )
    }

    pub(super) fn firewall_verdict_unknown(&self, by: &str) -> String {
        let how = match self.attempt.outcome {
            Outcome::Rejected => format!("rejected by {by}"),
            _ => format!("{} by a firewall ({by})", self.stopped()),
        };
        self.cannot_reach(&format!("{how}; {}", self.not_known()))
    }

    pub(super) fn nobody_listens(&self) -> String {
        let dst = &self.attempt.dst;
        let listener = who_at(dst, dst.backend_port.unwrap_or(dst.port));
        if self.verdict_known() {
            self.cannot_reach(&format!("nobody listens on {listener}"))
        } else {
            let not_known = self.not_known();
            self.cannot_reach(&format!("nobody listens on {listener}, or a firewall resets it; {not_known}"))
        }
    }

    pub(super) fn silence(&self) -> String {
        let dropped = match &self.attempt.drop_reason {
            Some(reason) => format!("; the kernel dropped one ({reason})"),
            None => String::new(),
        };
        self.cannot_reach(&format!("SYNs get no answer{dropped}{}", self.surroundings()))
    }

    pub(super) fn table_full(&self) -> String {
        let node = self.node;
        self.cannot_reach(&format!(
            "SYNs get no answer; node {node} dropped them while its table of tracked connections was full"
        ))
    }

    pub(super) fn accept_queue_full(&self) -> String {
        let backlog =
            self.attempt.accept_backlog.map(|n| format!(": {n} connections may wait, and more did"));
        self.cannot_reach(&format!(
            "SYNs get no answer; the server's accept queue was full{}; it accepts connections too slowly",
            backlog.unwrap_or_default()
        ))
    }

    pub(super) fn unreachable(&self, signal: &str) -> String {
        let what = match signal {
            "icmp-host-unreachable" | "icmp6-addr-unreachable" => "host unreachable",
            "icmp-net-unreachable" | "icmp6-no-route" | "icmp6-reject-route" => "network unreachable",
            _ => "unreachable",
        };
        self.cannot_reach(&format!("{what} ({signal}){}", self.surroundings()))
    }

    fn cannot_reach(&self, why: &str) -> String {
        cannot_reach(self.attempt, self.probe, why)
    }

    fn stopped(&self) -> &'static str {
        match self.attempt.outcome {
            Outcome::Unanswered => "dropped",
            Outcome::Refused => "reset",
            Outcome::Rejected | Outcome::Established => "rejected",
        }
    }

    /// Returns what else may explain it.
    fn surroundings(&self) -> String {
        let mut text = String::new();
        if self.backends.is_some_and(|backends| backends.ready == 0) {
            text.extend(["; ", &self.lacks_backends()]);
        }
        if !self.verdict_known() && self.attempt.verdict.is_some() {
            text.extend(["; ", &self.not_known()]);
        }
        text
    }

    fn lacks_backends(&self) -> String {
        let all = self.backends.map_or(0, |backends| backends.all);
        let of = if all == 0 { String::new() } else { format!(" (0 of {all})") };
        format!("{} has no ready backend{of}", service(&self.attempt.dst))
    }

    fn verdict_known(&self) -> bool {
        self.attempt.verdict.as_ref().is_some_and(|verdict| verdict.decision != Decision::Unknown)
    }

    fn not_known(&self) -> String {
        let why = self.attempt.verdict.as_ref().map(|verdict| format!(": {}", verdict.why_unknown()));
        format!("what the policies say is not known{}", why.unwrap_or_default())
    }

    fn policies_are(&self) -> &'static str {
        let several = self.attempt.verdict.as_ref().is_some_and(|verdict| verdict.policies.len() > 1);
        if several { "the policies are" } else { "the policy is" }
    }

    /// Returns who should have refused: the node of the pod that the policy selects.
    fn enforcer(&self) -> String {
        let Attempt { src, dst, vantage, verdict, .. } = self.attempt;
        let direction = verdict.as_ref().and_then(|verdict| verdict.direction);
        match (direction, vantage) {
            (Some(Direction::Ingress), Vantage::Destination)
            | (Some(Direction::Egress), Vantage::Source)
            | (None, _) => format!("node {}", self.node),
            (Some(Direction::Ingress), _) => format!("the node of {}", who(dst)),
            (Some(Direction::Egress), _) => format!("the node of {}", who(src)),
        }
    }
}

/// Returns the sentence about an attempt that the policies refuse.
pub(super) fn denied(attempt: &Attempt) -> String {
    let explanation = attempt.verdict.as_ref().map_or("refused", |verdict| &verdict.explanation);
    let silent = if attempt.outcome == Outcome::Unanswered { "; SYNs get no answer" } else { "" };
    cannot_reach(attempt, None, &format!("{explanation}{silent}"))
}

fn cannot_reach(attempt: &Attempt, probe: Option<Probe>, why: &str) -> String {
    let by = probe.map(|probe| format!(" (probably the kubelet's {})", probe.kind.name()));
    format!("{} can't reach {}{}: {why}", who(&attempt.src), whom(&attempt.dst), by.unwrap_or_default())
}

/// Returns the sentence about open connections that would be refused now, and about the change that caused it.
pub(super) fn latent(group: &LatentGroup, open: u64) -> String {
    let LatentGroup { src, dst, verdict, cause, .. } = group;
    let s = if open == 1 { "" } else { "s" };
    let mut text = format!(
        "{} has {open} open connection{s} to {} that the current policies would refuse: {}",
        who(src),
        whom(dst),
        verdict.refuser(),
    );
    if let Some(cause) = cause {
        text.extend([". ", &cause.text]);
    }
    text
}

fn refusal(attempt: &Attempt) -> &str {
    attempt.verdict.as_ref().map_or("", |verdict| verdict.refuser())
}

/// Returns one attempt as evidence.
pub(super) fn example(attempt: &Attempt) -> String {
    let Attempt { src, dst, outcome, signal, drop_reason, enforcer, syn_retransmits, .. } = attempt;
    let mut text = flow(src, dst);
    // Writing to a String does not fail.
    write!(text, " {outcome}").ok();
    if let Some(signal) = signal {
        write!(text, ": {signal}").ok();
    }
    if *outcome == Outcome::Unanswered {
        write!(text, " after {} SYNs", u64::from(*syn_retransmits) + 1).ok();
    }
    if let Some(reason) = drop_reason {
        write!(text, ", dropped: {reason}").ok();
    }
    if let Some(cause) = attempt.cause {
        write!(text, " ({cause})").ok();
    }
    if *enforcer == Some(EnforcerStatement::Logged) {
        text.push_str(", logged by the enforcer");
        if let Some(policy) = &attempt.enforcer_policy {
            write!(text, " (policy {policy})").ok();
        }
    }
    if let Some(EnforcementLag { since, age_us }) = attempt.enforcement_lag {
        let change = match since {
            LagSince::Pod => "the pod got its address",
            LagSince::Policy => "the policies changed",
        };
        let millis = age_us / 1_000;
        write!(text, ", {}.{} s after {change}", millis / 1_000, millis % 1_000 / 100).ok();
    }
    text
}

/// Returns one open connection as evidence. That of the oldest of its group includes since when it is open.
pub(super) fn open_connection(group: &LatentGroup, tuple: &FlowTuple) -> String {
    let dst = Endpoint {
        backend_ip: tuple.backend.map(|(ip, _)| ip).filter(|ip| *ip != tuple.dst),
        backend_port: tuple.backend.map(|(_, port)| port).filter(|port| *port != tuple.dport),
        ..Endpoint::bare(tuple.dst, tuple.dport)
    };
    let flow = flow(&Endpoint::bare(tuple.src, tuple.sport), &dst);
    let oldest = (tuple.src, tuple.sport) == (group.src.ip, group.src.port);
    match (oldest, group.older) {
        (true, true) => format!("{flow} open since before the agent started"),
        (true, false) => format!("{flow} open since {}", group.since),
        (false, _) => format!("{flow} open"),
    }
}

fn flow(src: &Endpoint, dst: &Endpoint) -> String {
    let address = std::net::SocketAddr::new;
    let mut text = format!("{} -> {}", address(src.ip, src.port), address(dst.ip, dst.port));
    if dst.backend_ip.is_some() || dst.backend_port.is_some() {
        let backend = address(dst.backend_ip.unwrap_or(dst.ip), dst.backend_port.unwrap_or(dst.port));
        write!(text, " (backend {backend})").ok();
    }
    text
}
