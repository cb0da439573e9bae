//! Tests the kinds of findings and their sentences.

use flow_model::inventory::{Probe, ProbeKind};
use rstest::rstest;

use super::*;
use crate::agreement::{Agreement, agreement};
use Decision::{Allow, Deny, Unknown};

const NOT_KNOWN: &str = "what the policies say is not known: the pod of 10.42.0.12 is not known";

/// `rejected icmp-port-unreachable`, `unanswered NETFILTER_DROP`: outcome, then signal or drop reason.
fn ended(how: &str, decision: Decision) -> Attempt {
    let (outcome, more) = how.split_once(' ').unwrap_or((how, ""));
    let reason = Some(more).filter(|m| m.chars().any(|c| c.is_ascii_uppercase()));
    let signal = Some(more).filter(|m| !m.is_empty() && reason.is_none());
    let drop_reason = reason.map(ArcStr::from);
    Attempt { drop_reason, ..attempt(outcome.parse().unwrap(), signal, decision) }
}

#[rstest]
#[case("rejected icmp-port-unreachable", Deny, "policy_denied", "can't reach data/valkey:6379: {REFUSED}")]
#[case("refused rst", Deny, "policy_denied", "can't reach data/valkey:6379: {REFUSED}")]
#[case("unanswered", Deny, "policy_denied", "can't reach data/valkey:6379: {REFUSED}; SYNs get no answer")]
#[case(
    "established syn-ack",
    Deny,
    "enforcement_mismatch",
    "connected to data/valkey:6379 although the policies refuse it: NetworkPolicy data/cache-ingress; no rule \
    admits namespace web; the policy is not enforced on the node of data/valkey"
)]
#[case(
    "rejected icmp-port-unreachable",
    Allow,
    "enforcement_mismatch",
    "'s connection to data/valkey:6379 is rejected by a firewall (icmp-port-unreachable) although the policies \
    allow it"
)]
#[case("rejected icmp-admin-prohibited", Allow, "enforcement_mismatch", "(icmp-admin-prohibited) although")]
#[case("rejected icmp-host-prohibited", Allow, "enforcement_mismatch", "(icmp-host-prohibited) although")]
#[case("rejected icmp6-port-unreachable", Allow, "enforcement_mismatch", "(icmp6-port-unreachable) although")]
#[case("rejected icmp6-adm-prohibited", Allow, "enforcement_mismatch", "(icmp6-adm-prohibited) although")]
#[case(
    "unanswered NETFILTER_DROP",
    Allow,
    "enforcement_mismatch",
    "is dropped by a firewall (NETFILTER_DROP)"
)]
#[case("refused NETFILTER_DROP", Allow, "enforcement_mismatch", "is reset by a firewall (NETFILTER_DROP)")]
#[case(
    "refused rst",
    Allow,
    "service_refused",
    "can't reach data/valkey:6379: nobody listens on data/valkey:6379"
)]
#[case(
    "refused rst",
    Unknown,
    "service_refused",
    "nobody listens on data/valkey:6379, or a firewall resets it; {NOT_KNOWN}"
)]
#[case("unanswered", Allow, "unanswered", "can't reach data/valkey:6379: SYNs get no answer")]
#[case("unanswered", Unknown, "unanswered", "SYNs get no answer; {NOT_KNOWN}")]
#[case("unanswered TCP_CSUM", Allow, "unanswered", "SYNs get no answer; the kernel dropped one (TCP_CSUM)")]
#[case(
    "unanswered NETFILTER_DROP",
    Unknown,
    "unanswered",
    "dropped by a firewall (NETFILTER_DROP); {NOT_KNOWN}"
)]
#[case("rejected icmp-host-unreachable", Allow, "unanswered", "host unreachable (icmp-host-unreachable)")]
#[case("rejected icmp-net-unreachable", Unknown, "unanswered", "network unreachable (icmp-net-unreachable)")]
#[case("rejected icmp6-no-route", Allow, "unanswered", "network unreachable (icmp6-no-route)")]
#[case("rejected", Allow, "unanswered", "unreachable (an ICMP error)")]
#[case(
    "rejected icmp-port-unreachable",
    Unknown,
    "service_refused",
    "can't reach data/valkey:6379: rejected by icmp-port-unreachable; {NOT_KNOWN}"
)]
fn kinds(#[case] how: &str, #[case] decision: Decision, #[case] kind: FindingKind, #[case] words: &str) {
    let attempt = ended(how, decision);
    let finding = one(Scene::new().attempt(0, &attempt));
    let words = words.replace("{REFUSED}", REFUSED).replace("{NOT_KNOWN}", NOT_KNOWN);
    assert_eq!(finding.kind, kind, "{}", finding.summary);
    assert!(finding.summary.starts_with("web/storefront"), "{}", finding.summary);
    assert!(finding.summary.contains(&words), "{}", finding.summary);
    let informs = decision == Unknown && how.starts_with("rejected icmp-port");
    assert_eq!(finding.severity, if informs { Severity::Info } else { Severity::Warning });
    assert_eq!(finding.policies, attempt.verdict.unwrap().policies);
}

#[rstest]
#[case(Allow)]
#[case(Unknown)]
fn a_connection_that_opens_is_no_finding(#[case] decision: Decision) {
    assert_eq!(Scene::new().attempt(0, &established(decision)), []);
}

#[test]
fn without_a_cluster_nothing_is_called_allowed() {
    let attempt = Attempt {
        verdict: None,
        src: Endpoint::bare([10, 0, 0, 1].into(), 1),
        dst: Endpoint::bare("fd00::1".parse().unwrap(), 80),
        ..rejected(Unknown)
    };
    let finding = one(Scene::new().attempt(0, &attempt));
    assert_eq!(finding.kind, FindingKind::ServiceRefused);
    assert_eq!(
        finding.summary,
        "10.0.0.1 can't reach [fd00::1]:80: rejected by icmp-port-unreachable; what the policies say is not known"
    );
}

/// kube-proxy rejects for want of backends what policies allow; after DNAT it was somebody else.
#[rstest]
#[case("rejected icmp-port-unreachable", Allow, None, "service_refused")]
#[case("rejected icmp-port-unreachable", Unknown, None, "service_refused")]
#[case("unanswered NETFILTER_DROP", Allow, None, "service_refused")]
#[case("refused rst", Allow, Some([10, 42, 0, 12]), "service_refused")]
#[case("rejected icmp-port-unreachable", Allow, Some([10, 42, 0, 12]), "enforcement_mismatch")]
#[case("unanswered", Allow, None, "unanswered")]
#[case("rejected icmp-port-unreachable", Deny, None, "policy_denied")]
fn a_service_without_ready_backends(
    #[case] how: &str,
    #[case] decision: Decision,
    #[case] backend: Option<[u8; 4]>,
    #[case] kind: FindingKind,
) {
    let mut attempt = ended(how, decision);
    attempt.dst.backend_ip = backend.map(Into::into);
    let backends = Some(Backends { ready: 0, all: 2 });
    let finding = one(Scene::new().facts(&AttemptFacts { backends, ..facts(at(0), &attempt) }));
    assert_eq!(finding.kind, kind, "{}", finding.summary);
    let named = finding.summary.contains("Service data/valkey has no ready backend (0 of 2)");
    assert_eq!(named, matches!(kind, FindingKind::ServiceRefused | FindingKind::Unanswered));
    let ready = Some(Backends { ready: 1, all: 2 });
    let finding = one(Scene::new().facts(&AttemptFacts { backends: ready, ..facts(at(0), &attempt) }));
    assert!(!finding.summary.contains("no ready backend"), "{}", finding.summary);
}

/// The kubelet says itself what its probes find, so nobody is warned. What policies refuse is no probe's
/// failure, and a firewall that stops what they allow is worth a warning whoever meets it.
#[rstest]
#[case("refused rst", Allow, Severity::Info)]
#[case("unanswered", Allow, Severity::Info)]
#[case("rejected icmp-port-unreachable", Deny, Severity::Warning)]
#[case("rejected icmp-port-unreachable", Allow, Severity::Warning)]
fn a_failing_probe_is_called_one(#[case] how: &str, #[case] decision: Decision, #[case] severity: Severity) {
    let attempt = ended(how, decision);
    let probe = Some(Probe { kind: ProbeKind::Readiness, port: attempt.dst.port });
    let finding = one(Scene::new().facts(&AttemptFacts { probe, ..facts(at(0), &attempt) }));
    assert_eq!(finding.severity, severity, "{}", finding.summary);
    let named = finding.summary.contains("(probably the kubelet's readiness probe): ");
    assert_eq!(named, severity == Severity::Info, "{}", finding.summary);
}

#[rstest]
#[case("refused rst", Allow, [Severity::Info, Severity::Info, Severity::Warning])]
#[case("unanswered", Unknown, [Severity::Info, Severity::Info, Severity::Warning])]
#[case("rejected icmp-port-unreachable", Deny, [Severity::Warning; 3])]
fn a_failure_while_a_pod_starts_warns_nobody_until_it_lasts(
    #[values(false, true)] server: bool,
    #[case] how: &str,
    #[case] decision: Decision,
    #[case] expected: [Severity; 3],
) {
    let attempt = ended(how, decision);
    let mut scene = Scene::new();
    // Each attempt is of a new pod, as those of a Job that is tried again are.
    let severities = [0, 59, 61].map(|second| {
        let mut facts = facts(at(second), &attempt);
        *if server { &mut facts.dst_start } else { &mut facts.src_start } = Some(at(second - 1));
        scene.facts(&facts);
        scene.findings.entries.values().next().unwrap().finding().severity
    });
    assert_eq!(severities, expected);
}

#[rstest]
#[case("established", Deny)]
#[case("rejected icmp-port-unreachable", Allow)]
#[case("unanswered", Allow)]
#[case("unanswered NETFILTER_DROP", Allow)]
fn what_contradicts_the_verdict_waits_while_enforcement_may_lag(
    #[case] how: &str,
    #[case] decision: Decision,
) {
    let attempt = ended(how, decision);
    for settling in [false, true] {
        let facts = AttemptFacts { settling, ..facts(at(0), &attempt) };
        assert_eq!(Scene::new().facts(&facts).len(), usize::from(!settling));
    }
}

#[rstest]
#[case("rejected icmp-port-unreachable", Deny)]
#[case("refused rst", Allow)]
#[case("unanswered", Unknown)]
#[case("rejected icmp-host-unreachable", Allow)]
fn what_contradicts_no_verdict_does_not_wait(#[case] how: &str, #[case] decision: Decision) {
    let attempt = ended(how, decision);
    let facts = AttemptFacts { settling: true, ..facts(at(1), &attempt) };
    assert_eq!(Scene::new().facts(&facts).len(), 1);
}

#[test]
fn what_comes_too_early_is_no_success() {
    let mut scene = Scene::new();
    one(scene.attempt(0, &rejected(Deny)));
    let through = established(Deny);
    assert_eq!(scene.facts(&AttemptFacts { settling: true, ..facts(at(21), &through) }), []);
    assert_eq!(scene.tick(60), []);
}

#[test]
fn names_are_the_best_known() {
    let summary = |src: Endpoint, dst: Endpoint| {
        let attempt = Attempt { src, dst, ..attempt(Outcome::Unanswered, None, Allow) };
        one(Scene::new().attempt(0, &attempt)).summary
    };
    let node = Endpoint { node: Some("node2".into()), ..Endpoint::bare([192, 168, 0, 2].into(), 6443) };
    let outside = Endpoint::bare([1, 1, 1, 1].into(), 443);
    let service = Endpoint { service: Some("data/db".into()), ..outside.clone() };
    let other_name = Endpoint { service: Some("data/cache".into()), ..valkey() };
    assert!(summary(storefront(1), node.clone()).contains("can't reach node node2:6443: "));
    assert!(summary(node, outside.clone()).starts_with("node node2 can't reach 1.1.1.1:443: "));
    assert!(summary(outside, service).starts_with("1.1.1.1 can't reach data/db:443: "));
    let emitted = summary(storefront(1), other_name);
    assert!(emitted.contains("can't reach data/valkey:6379 (Service data/cache): "), "{emitted}");
}

#[test]
fn nobody_listens_where_dnat_sent_it() {
    let dst = Endpoint { backend_port: Some(16_379), ..valkey() };
    let finding = one(Scene::new().attempt(0, &Attempt { dst, ..ended("refused rst", Allow) }));
    assert_eq!(
        finding.summary,
        "web/storefront can't reach data/valkey:6379: nobody listens on data/valkey:16379"
    );
}

#[rstest]
#[case(Direction::Ingress, Vantage::Destination, "node node1")]
#[case(Direction::Ingress, Vantage::Source, "the node of data/valkey")]
#[case(Direction::Egress, Vantage::Source, "node node1")]
#[case(Direction::Egress, Vantage::Destination, "the node of web/storefront")]
fn who_should_have_refused(#[case] direction: Direction, #[case] vantage: Vantage, #[case] whose: &str) {
    let mut attempt = Attempt { vantage, ..established(Deny) };
    let verdict = Arc::make_mut(attempt.verdict.as_mut().unwrap());
    verdict.direction = Some(direction);
    verdict.policies.push("data/default-deny".into());
    let finding = one(Scene::new().attempt(0, &attempt));
    assert!(finding.summary.ends_with(&format!("the policies are not enforced on {whose}")));
}

/// An attempt whose SYN was dropped while the table of tracked connections was full.
fn overflow(decision: Decision) -> Attempt {
    let cause = Some(LossCause::ConntrackFull);
    Attempt { drop_reason: Some("NETFILTER_DROP".into()), cause, ..ended("unanswered", decision) }
}

#[test]
fn a_full_table_is_no_contradiction_of_the_policies() {
    for decision in [Allow, Unknown] {
        let finding = one(Scene::new().attempt(0, &overflow(decision)));
        assert_eq!(finding.kind, FindingKind::Unanswered);
        assert_eq!(
            finding.summary,
            "web/storefront can't reach data/valkey:6379: SYNs get no answer; node node1 dropped them while its table of \
             tracked connections was full"
        );
    }
    assert_eq!(one(Scene::new().attempt(0, &overflow(Deny))).kind, FindingKind::PolicyDenied);
}

/// An attempt whose SYN reached a server that accepts nothing.
fn unaccepted(decision: Decision) -> Attempt {
    let cause = Some(LossCause::AcceptQueueFull);
    Attempt { cause, accept_backlog: Some(128), ..ended("unanswered", decision) }
}

#[test]
fn a_full_accept_queue_proves_nothing_about_the_policies() {
    for decision in [Allow, Deny, Unknown] {
        let finding = one(Scene::new().attempt(0, &unaccepted(decision)));
        assert_eq!((finding.kind, finding.severity), (FindingKind::Unanswered, Severity::Warning));
        assert_eq!(
            finding.summary,
            "web/storefront can't reach data/valkey:6379: SYNs get no answer; the server's accept queue was full: 128 \
             connections may wait, and more did; it accepts connections too slowly"
        );
        assert_eq!(agreement(&unaccepted(decision), None), Agreement::Nothing);
    }
}

#[rstest]
#[case(
    rejected(Deny),
    "10.42.0.10:40000 -> 10.43.0.5:6379 (backend 10.42.0.12:6379) rejected: icmp-port-unreachable"
)]
#[case(
    Attempt { drop_reason: Some("NETFILTER_DROP".into()), syn_retransmits: 3, ..ended("unanswered", Deny) },
    "10.42.0.10:40000 -> 10.43.0.5:6379 (backend 10.42.0.12:6379) unanswered after 4 SYNs, dropped: NETFILTER_DROP"
)]
#[case(
    overflow(Deny),
    "10.42.0.10:40000 -> 10.43.0.5:6379 (backend 10.42.0.12:6379) unanswered after 1 SYNs, dropped: NETFILTER_DROP (conntrack_full)"
)]
#[case(
    unaccepted(Allow),
    "10.42.0.10:40000 -> 10.43.0.5:6379 (backend 10.42.0.12:6379) unanswered after 1 SYNs (accept_queue_full)"
)]
fn evidence_names_the_flow(#[case] attempt: Attempt, #[case] text: &str) {
    let finding = one(Scene::new().attempt(5, &attempt));
    assert_eq!(texts(&finding), [text]);
    assert_eq!(finding.evidence[0].time, at(5));
    assert_eq!((finding.src, finding.dst), (Some(attempt.src), Some(attempt.dst)));
}

#[rstest]
#[case("rejected icmp-port-unreachable", Deny)]
#[case("refused rst", Allow)]
#[case("unanswered", Allow)]
#[case("established syn-ack", Deny)]
fn the_documentation_quotes_real_sentences(#[case] how: &str, #[case] decision: Decision) {
    let text = include_str!("../../../../../docs/FINDINGS.md").replace("\n> ", " ");
    let finding = one(Scene::new().attempt(0, &ended(how, decision)));
    let example = format!("\n## {}\n {}\n", finding.kind, finding.summary);
    assert!(text.contains(&example), "docs/FINDINGS.md lacks: {example}");
}
