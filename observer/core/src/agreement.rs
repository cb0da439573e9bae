//! How an attempt ended, and whether that agrees with the verdict of the policies.

use arcstr::{ArcStr, literal};
use flow_model::decision::Decision;
use flow_model::flow::Outcome;
use flow_model::record::{Attempt, LossCause};

use crate::facts::Backends;

/// The way in which an attempt ended, as far as that shows who ended it.
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

/// What an attempt shows about the enforcement of the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreement {
    /// A firewall stopped what the policies refuse.
    Refused,
    /// A connection that the policies allow was established.
    Passed,
    /// A refused connection was established, or a firewall stopped an allowed one.
    Contradicts,
    /// An allowed connection got no answer. A firewall may have dropped it, and the server may be down.
    MayContradict,
    /// A refused connection got no answer. A firewall may have dropped it, and the server may be down.
    MayAgree,
    /// Nothing: the verdict is not known, or something else ended it.
    Nothing,
}

/// Returns what an attempt to a Service with these backends shows about enforcement.
pub(super) fn agreement(attempt: &Attempt, backends: Option<Backends>) -> Agreement {
    let end = end(attempt);
    match (decision(attempt), &end) {
        (Decision::Unknown, _) => Agreement::Nothing,
        (Decision::Deny, End::Established) => Agreement::Contradicts,
        (Decision::Deny, End::Firewall(_)) => Agreement::Refused,
        (Decision::Deny, End::Silence) => Agreement::MayAgree,
        (Decision::Allow, End::Established) => Agreement::Passed,
        (Decision::Allow, End::Firewall(_)) if !has_no_backend(attempt, backends, &end) => {
            Agreement::Contradicts
        }
        (Decision::Allow, End::Silence) => Agreement::MayContradict,
        // A RST may come from a server that does not listen, also where the policies refuse the connection.
        (_, End::Reset | End::TableFull | End::QueueFull | End::Unreachable(_))
        | (Decision::Allow, End::Firewall(_)) => Agreement::Nothing,
    }
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
            Some(signal) if is_of_firewall(&signal) => End::Firewall(signal),
            signal => End::Unreachable(signal.unwrap_or(literal!("an ICMP error"))),
        },
    }
}

/// Is true where the Service has no backend. kube-proxy rejects what is sent to such a Service, as a policy's enforcer
/// would, but there was no DNAT then.
pub(super) fn has_no_backend(attempt: &Attempt, backends: Option<Backends>, end: &End) -> bool {
    let none_ready = backends.is_some_and(|backends| backends.ready == 0);
    none_ready && (*end == End::Reset || attempt.dst.backend_ip.is_none())
}

/// Is true for ICMP errors that come from filters: hosts answer TCP with a RST. The names are those of
/// [`flow_model::record::Attempt::signal`].
fn is_of_firewall(signal: &str) -> bool {
    const FILTERS: [&str; 4] =
        ["icmp-port-unreachable", "icmp-proto-unreachable", "icmp6-port-unreachable", "icmp6-policy-fail"];
    FILTERS.contains(&signal) || signal.ends_with("-prohibited")
}
