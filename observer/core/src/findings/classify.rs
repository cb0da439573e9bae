//! The conclusion from one attempt: that all is well, that something is wrong, or nothing.

use arcstr::{ArcStr, literal};
use flow_model::decision::Decision;
use flow_model::finding::{FindingKind, Severity};
use flow_model::flow::Outcome;
use flow_model::record::{Attempt, LossCause};
use jiff::{SignedDuration, Timestamp};

use crate::facts::AttemptFacts;
use crate::findings::sentence::{self, AttemptSentences};

/// The conclusion from an attempt.
#[derive(Debug, PartialEq)]
pub(super) enum Reading {
    /// It connected, and no policy refuses that.
    Success,
    /// It contradicts the verdict while enforcement may lag, so it proves nothing.
    Nothing,
    Failure(Failure),
}

/// The failure that an attempt shows.
#[derive(Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) kind: FindingKind,
    pub(super) severity: Severity,
    pub(super) summary: String,
}

/// The way in which the attempt ended, as far as that shows who ended it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Established,
    /// A RST, which a host sends when nobody listens.
    Reset,
    /// An answer that only a filter gives, or a drop by a filter, by name.
    Firewall(ArcStr),
    /// A drop while the node's table of tracked connections was full.
    TableFull,
    /// A drop while the server's accept queue was full.
    QueueFull,
    /// An ICMP error of routing.
    Unreachable(ArcStr),
    Silence,
}

/// Reads an attempt on the node of this name.
pub(super) fn read(facts: &AttemptFacts<'_>, grace: SignedDuration, node: &str) -> Reading {
    use FindingKind::{EnforcementMismatch, PolicyDenied, ServiceRefused, Unanswered};

    let attempt = facts.attempt;
    let sentences = AttemptSentences::new(facts, node);
    let settling = enforcement_may_lag(facts, grace);
    let end = end(attempt);
    let (kind, severity, summary) = match (&end, decision(attempt)) {
        (End::Established, Decision::Deny) if settling => return Reading::Nothing,
        (End::Established, Decision::Deny) => (EnforcementMismatch, Severity::Warning, sentences.connected()),
        (End::Established, _) => return Reading::Success,
        (_, Decision::Deny) => (PolicyDenied, Severity::Warning, sentences.denied()),
        (End::Reset | End::Firewall(_), _) if no_backend(facts, &end) => {
            (ServiceRefused, Severity::Warning, sentences.no_backend())
        }
        (End::Firewall(_) | End::Silence, Decision::Allow) if settling => return Reading::Nothing,
        (End::Firewall(by), Decision::Allow) => {
            (EnforcementMismatch, Severity::Warning, sentences.stopped_by_firewall(by))
        }
        (End::Firewall(by), Decision::Unknown) if attempt.outcome == Outcome::Unanswered => {
            (Unanswered, Severity::Warning, sentences.firewall_verdict_unknown(by))
        }
        (End::Firewall(by), Decision::Unknown) => {
            (ServiceRefused, Severity::Info, sentences.firewall_verdict_unknown(by))
        }
        (End::Reset, _) => (ServiceRefused, Severity::Warning, sentences.nobody_listens()),
        (End::Silence, _) => (Unanswered, Severity::Warning, sentences.silence()),
        (End::TableFull, _) => (Unanswered, Severity::Warning, sentences.table_full()),
        (End::QueueFull, _) => (Unanswered, Severity::Warning, sentences.accept_queue_full()),
        (End::Unreachable(signal), _) => (Unanswered, Severity::Warning, sentences.unreachable(signal)),
    };
    // The kubelet reports what its probes find, and acts on it.
    let of_probe = facts.probe.is_some() && matches!(kind, ServiceRefused | Unanswered);
    let severity = if of_probe { Severity::Info } else { severity };
    Reading::Failure(Failure { kind, severity, summary })
}

/// Returns the decision of the policies, which is unknown without a cluster.
pub(super) fn decision(attempt: &Attempt) -> Decision {
    attempt.verdict.as_ref().map_or(Decision::Unknown, |verdict| verdict.decision)
}

/// Returns who ended it. A netfilter drop of its SYN decides that, whatever the answer looked like.
pub(super) fn end(attempt: &Attempt) -> End {
    let netfilter = attempt.drop_reason.as_ref().filter(|reason| reason.contains("NETFILTER"));
    let signal = || attempt.signal.clone();
    match (attempt.outcome, netfilter) {
        (Outcome::Established, _) => End::Established,
        (Outcome::Unanswered, _) if attempt.cause == Some(LossCause::ConntrackFull) => End::TableFull,
        (Outcome::Unanswered, _) if attempt.cause == Some(LossCause::AcceptQueueFull) => End::QueueFull,
        (Outcome::Rejected, Some(reason)) => End::Firewall(signal().unwrap_or_else(|| reason.clone())),
        (Outcome::Refused | Outcome::Unanswered, Some(reason)) => End::Firewall(reason.clone()),
        (Outcome::Refused, None) => End::Reset,
        (Outcome::Unanswered, None) => End::Silence,
        (Outcome::Rejected, None) => match signal() {
            Some(signal) if sentence::is_of_firewall(&signal) => End::Firewall(signal),
            signal => End::Unreachable(signal.unwrap_or(literal!("an ICMP error"))),
        },
    }
}

/// Is true where the Service has no backend. kube-proxy rejects what is sent to such a Service, as a policy's enforcer
/// would, but there was no DNAT then.
fn no_backend(facts: &AttemptFacts<'_>, end: &End) -> bool {
    let none_ready = facts.backends.is_some_and(|backends| backends.ready == 0);
    none_ready && (*end == End::Reset || facts.attempt.dst.backend_ip.is_none())
}

/// Is true shortly after a change. The enforcer learns of pods and policies when the agent does, and takes seconds. An
/// attempt that arrives just after a change may have been made just before it.
fn enforcement_may_lag(facts: &AttemptFacts<'_>, grace: SignedDuration) -> bool {
    let near = |change: Timestamp| facts.time.duration_since(change).abs() <= grace;
    [facts.src_start, facts.dst_start, facts.policy_change].into_iter().flatten().any(near)
}
