//! Each filter on records and findings of every kind.

use flow_model::decision::Decision;
use flow_model::finding::{Evidence, Finding, FindingKind};
use flow_model::flow::{Outcome, ResetCause};
use flow_model::record::{ChangeVerb, Drop, Event, FlowRecord, FlowVerdict, LossCause, Lost, PolicyChange};
use rstest::rstest;

use super::*;
use crate::sink::testing::{at, attempt, external, finding, pod, reset, service};

fn filter(subject: Subject, filters: &[(&str, &str)]) -> FlowFilter {
    let mut filter = FlowFilter::default();
    for (name, value) in filters {
        filter.add(subject, name, value).unwrap();
    }
    filter
}

/// A refused attempt, an established one, a reset, a change of a policy, a change of a namespace, and a loss.
fn records() -> Vec<(&'static str, FlowRecord)> {
    let (front, db) = (pod("web", "front-5d-1"), service("data", "db"));
    let mut refused = attempt(1, front.clone(), db.clone(), Outcome::Unanswered);
    if let Event::Attempt(attempt) = &mut refused.event {
        attempt.drop_reason = Some("NETFILTER_DROP".into());
        attempt.cause = Some(LossCause::ConntrackFull);
        attempt.verdict = Some(
            FlowVerdict {
                decision: Decision::Deny,
                direction: None,
                policies: vec!["data/guard".into(), "admin".into()],
                explanation: String::new(),
            }
            .into(),
        );
    }
    let mut reset = reset(3, front, db);
    if let Event::Reset(reset) = &mut reset.event {
        reset.cause = Some(ResetCause::ConntrackGone);
    }
    let change = |object: &str, namespace: Option<&str>, name: &str| {
        let namespace = namespace.map(Into::into);
        let (change, summary) = (ChangeVerb::Changed, String::new());
        let event = Event::PolicyChange(PolicyChange {
            object: object.into(),
            namespace,
            name: name.into(),
            change,
            manager: None,
            summary,
        });
        FlowRecord { time: at(4), node: "node1".into(), event }
    };
    vec![
        ("denied", refused),
        ("open", attempt(2, pod("jobs", "batch-5d-1"), external(), Outcome::Established)),
        ("reset", reset),
        ("policy", change("NetworkPolicy", Some("data"), "guard")),
        ("label", change("Namespace", None, "guard")),
    ]
}

const ALL: &str = "denied open reset policy label";

fn selected(filters: &[(&str, &str)]) -> String {
    let filter = filter(Subject::Record, filters);
    let matches = |record: &FlowRecord| filter.matches_line(&serde_json::to_vec(record).unwrap());
    let records = records();
    let names = records.iter().filter(|(_, record)| matches(record)).map(|(name, _)| *name);
    names.collect::<Vec<_>>().join(" ")
}

#[rstest]
#[case(&[], ALL)]
#[case(&[("from", "web")], "denied reset")]
#[case(&[("from", "data")], "")]
#[case(&[("from", "web,jobs/batch")], "denied open reset")]
#[case(&[("from", "web"), ("from", "jobs")], "denied open reset")]
#[case(&[("to", "1.0.0.0/8")], "open")]
#[case(&[("to", "data/db")], "denied reset")]
#[case(&[("port", "443")], "open")]
#[case(&[("port", "1-442,444-9999")], "denied reset")]
#[case(&[("verdict", "deny")], "denied")]
#[case(&[("verdict", "allow,unknown")], "")]
#[case(&[("policy", "data/guard")], "denied policy")]
#[case(&[("policy", "guard,admin")], "denied policy")]
#[case(&[("policy", "web/guard")], "")]
#[case(&[("reason", "netfilter_drop")], "denied")]
#[case(&[("reason", "unknown")], "reset")]
#[case(&[("cause", "conntrack_full")], "denied")]
#[case(&[("cause", "conntrack_gone,conntrack_full")], "denied reset")]
#[case(&[("from", "web"), ("verdict", "deny")], "denied")]
#[case(&[("from", "web"), ("not_verdict", "deny")], "reset")]
#[case(&[("not_from", "web")], "open policy label")]
#[case(&[("not_from", "web,jobs")], "policy label")]
#[case(&[("not_policy", "data/guard")], "open reset label")]
#[case(&[("not_port", "443")], "denied reset policy label")]
#[case(&[("filter", "dst.port == 5432 && verdict.decision == 'deny'")], "denied")]
#[case(&[("from", "web"), ("filter", "kind == 'reset'")], "reset")]
#[case(&[("filter", "true"), ("filter", "kind == 'reset'")], "reset")]
fn records_are_selected(#[case] filters: &[(&str, &str)], #[case] wanted: &str) {
    assert_eq!(selected(filters), wanted);
}

#[test]
fn a_filter_and_its_negation_divide_all_records() {
    let values = ["web,data", "1.0.0.0/8", "443", "deny", "guard", "unknown", "conntrack_full"];
    for (criterion, value) in Criterion::all().zip(values) {
        let wanted = selected(&[(criterion.as_str(), value)]);
        let unwanted = selected(&[(&format!("not_{criterion}"), value)]);
        let mut both: Vec<_> = wanted.split_whitespace().chain(unwanted.split_whitespace()).collect();
        let mut all: Vec<_> = ALL.split(' ').collect();
        both.sort_unstable();
        all.sort_unstable();
        assert!(!wanted.is_empty() && both == all, "{criterion}: {wanted} | {unwanted}");
    }
}

#[rstest]
#[case("filter", "dst.port == 1")]
#[case("from", "web")]
fn what_was_lost_may_have_matched(#[case] name: &str, #[case] value: &str) {
    let lost = Event::Lost(Lost { lost: 1, stage: "client".into() });
    let lost = FlowRecord { time: at(1), node: "node1".into(), event: lost };
    let filter = filter(Subject::Record, &[(name, value)]);
    assert!(filter.matches_line(&serde_json::to_vec(&lost).unwrap()));
}

#[test]
fn what_is_no_record_passes_no_filter() {
    assert!(!filter(Subject::Record, &[("not_from", "web")]).matches_line(b"{}"));
    assert!(FlowFilter::default().matches_line(b"{}"), "nothing is read without a filter");
}

/// The example of [`finding`] with a cause and evidence.
fn denied() -> Finding {
    let text =
        "10.42.0.10:1 -> 10.43.0.1:5432 unanswered, dropped: NETFILTER_DROP (conntrack_full)".to_owned();
    let evidence = vec![Evidence { time: at(1), text }];
    Finding { cause: Some("helm changed data/guard".into()), evidence, ..finding("a", 1) }
}

#[rstest]
#[case("from", "web/front", true)]
#[case("from", "data", false)]
#[case("to", "data/db", true)]
#[case("port", "5432", true)]
#[case("port", "5433", false)]
#[case("verdict", "deny", true)]
#[case("verdict", "allow", false)]
#[case("policy", "data/deny", true)]
#[case("policy", "data/guard", false)]
#[case("reason", "netfilter_drop", true)]
#[case("reason", "netfilter", false)]
#[case("cause", "Helm changed", true)]
#[case("cause", "conntrack_full", true)]
#[case("cause", "argocd", false)]
#[case("filter", "severity == 'warning' && count >= 1", true)]
#[case("filter", "evidence.exists(e, e.text.contains('10.9.9.9'))", false)]
fn findings_are_selected(#[case] name: &str, #[case] value: &str, #[case] wanted: bool) {
    let finding = denied();
    let matches = |name: &str| filter(Subject::Finding, &[(name, value)]).matches_finding(&finding);
    assert_eq!(matches(name), wanted);
    if name != EXPRESSION {
        assert_eq!(matches(&format!("not_{name}")), !wanted);
    }
}

#[test]
fn a_finding_that_is_about_no_decision_has_no_verdict() {
    let flap = Finding { kind: FindingKind::VipFlap, src: None, dst: None, ..denied() };
    for (name, value) in [("verdict", "deny,allow,unknown"), ("from", "0.0.0.0/0"), ("port", "0-65535")] {
        assert!(!filter(Subject::Finding, &[(name, value)]).matches_finding(&flap), "{name}");
    }
}

#[rstest]
#[case("no", "x", "`no` is none of from, to, port, verdict, policy, reason, cause")]
#[case("not_filter", "true", "`filter` is none of from, to,")]
#[case("from", "web,,data", "it is empty")]
#[case("filter", " ", "it is empty")]
fn what_is_no_filter_is_an_error(#[case] name: &str, #[case] value: &str, #[case] wanted: &str) {
    let error = FlowFilter::default().add(Subject::Record, name, value).unwrap_err();
    assert!(error.starts_with(wanted), "{error}");
}

#[test]
fn a_dropped_syn_has_a_verdict_too() {
    let (_, refused) = records().swap_remove(0);
    let Event::Attempt(attempt) = refused.event else { unreachable!() };
    let event = Event::Drop(Drop {
        vantage: attempt.vantage,
        reason: "NETFILTER_DROP".into(),
        protocol: "TCP".into(),
        tcp_flags: Some("SYN".into()),
        enforcer: None,
        enforcer_policy: None,
        src: attempt.src,
        dst: attempt.dst,
        verdict: attempt.verdict,
    });
    let line = serde_json::to_vec(&FlowRecord { time: at(1), node: "node1".into(), event }).unwrap();
    for (name, value, passes) in [
        ("verdict", "deny", true),
        ("not_verdict", "deny", false),
        ("policy", "data/guard", true),
        ("policy", "x", false),
    ] {
        assert_eq!(filter(Subject::Record, &[(name, value)]).matches_line(&line), passes, "{name} {value}");
    }
}
