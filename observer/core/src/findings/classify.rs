//! The conclusion from one attempt: that all is well, that something is wrong, or nothing.

use flow_model::decision::Decision;
use flow_model::finding::{FindingKind, Severity};
use flow_model::flow::Outcome;

use crate::agreement::{End, decision, end, has_no_backend};
use crate::facts::AttemptFacts;
use crate::findings::sentence::AttemptSentences;

/// The conclusion from an attempt.
#[derive(Debug, PartialEq)]
pub(super) enum Reading {
    /// It connected, and no policy refuses that.
    Success,
    /// It contradicts the verdict, or got no answer, while enforcement may lag, so it proves nothing yet.
    Early,
    Failure(Failure),
}

/// The failure that an attempt shows.
#[derive(Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) kind: FindingKind,
    pub(super) severity: Severity,
    pub(super) summary: String,
}

/// Reads an attempt on the node of this name.
pub(super) fn read(facts: &AttemptFacts<'_>, node: &str) -> Reading {
    use FindingKind::{EnforcementMismatch, PolicyDenied, ServiceRefused, Unanswered};

    let attempt = facts.attempt;
    let sentences = AttemptSentences::new(facts, node);
    let end = end(attempt);
    let (kind, severity, summary) = match (&end, decision(attempt)) {
        (End::Established, Decision::Deny) if facts.settling => return Reading::Early,
        (End::Established, Decision::Deny) => (EnforcementMismatch, Severity::Warning, sentences.connected()),
        (End::Established, _) => return Reading::Success,
        // It reached the listening socket, so no policy stopped it.
        (End::QueueFull, _) => (Unanswered, Severity::Warning, sentences.accept_queue_full()),
        (_, Decision::Deny) => (PolicyDenied, Severity::Warning, sentences.denied()),
        (End::Reset | End::Firewall(_), _) if has_no_backend(attempt, facts.backends, &end) => {
            (ServiceRefused, Severity::Warning, sentences.no_backend())
        }
        (End::Firewall(_) | End::Silence, Decision::Allow) if facts.settling => return Reading::Early,
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
        (End::Unreachable(signal), _) => (Unanswered, Severity::Warning, sentences.unreachable(signal)),
    };
    // The kubelet reports what its probes find, and acts on it.
    let of_probe = facts.probe.is_some() && matches!(kind, ServiceRefused | Unanswered);
    let severity = if of_probe { Severity::Info } else { severity };
    Reading::Failure(Failure { kind, severity, summary })
}
