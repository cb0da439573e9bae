use std::collections::BTreeMap;

use flow_model::flow::{Phase, RstOrigin, Side, Vantage};
use flow_model::record::ChangeVerb;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::*;
use crate::sink::testing::{at, attempt, finding, pod, reset, resolved, service};

/// Returns the attributes as text.
fn attributes(record: &LogRecord) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let value = |pair: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        text(pair.value.as_ref().unwrap().value.as_ref().unwrap())
    };
    record.attributes.iter().map(|pair| (pair.key.clone(), value(pair))).collect()
}

fn body(record: &LogRecord) -> String {
    match record.body.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        other => panic!("{other:?}"),
    }
}

/// A refused attempt as the client's node sees it: to a Service, with its backend.
fn at_the_client() -> FlowRecord {
    let dst = Endpoint {
        backend_ip: Some([10, 42, 1, 7].into()),
        backend_port: Some(6432),
        ..service("data", "db")
    };
    let mut record = attempt(7, pod("web", "front-5d-1"), dst, Outcome::Refused);
    if let Event::Attempt(attempt) = &mut record.event {
        attempt.isn = 99;
    }
    record
}

/// The same attempt as the server's node sees it, a moment later.
fn at_the_server() -> FlowRecord {
    let mut record = at_the_client();
    (record.node, record.time) = ("node2".into(), at(8));
    if let Event::Attempt(attempt) = &mut record.event {
        attempt.vantage = Vantage::Destination;
        attempt.dst = Endpoint { ip: [10, 42, 1, 7].into(), port: 6432, ..pod("data", "db-0") };
    }
    record
}

fn id_of(record: &FlowRecord) -> String {
    attributes(&of_record(record).unwrap())[ID].clone()
}

#[test]
fn an_attempt_has_the_names_of_both_sides() {
    let record = of_record(&at_the_client()).unwrap();
    assert_eq!(record.event_name, "flow_observer.attempt");
    assert_eq!((record.severity_text.as_str(), record.severity_number), ("WARN", 13));
    assert_eq!(record.time_unix_nano, 1_795_000_007_000_000_000);
    assert_eq!(body(&record), "web/front-5d-1:7 -> data/db:5432 (10.42.1.7) refused 0.3ms");
    let all = attributes(&record);
    let expected = [
        ("source.address", "10.42.0.10"),
        ("source.port", "7"),
        ("source.k8s.namespace.name", "web"),
        ("source.k8s.pod.name", "front-5d-1"),
        ("source.k8s.deployment.name", "front"),
        ("destination.address", "10.43.0.1"),
        ("destination.port", "5432"),
        ("destination.k8s.service.name", "db"),
        ("destination.k8s.namespace.name", "data"),
        ("flow_observer.backend.address", "10.42.1.7"),
        ("flow_observer.outcome", "refused"),
        ("network.transport", "tcp"),
        ("network.type", "ipv4"),
    ];
    for (key, value) in expected {
        assert_eq!(all.get(key).map(String::as_str), Some(value), "{key}: {all:#?}");
    }
}

#[test]
fn both_nodes_give_one_connection_one_id() {
    assert_eq!(id_of(&at_the_client()), id_of(&at_the_server()));
    let mut other = at_the_client();
    if let Event::Attempt(attempt) = &mut other.event {
        attempt.isn = 100;
    }
    assert_ne!(id_of(&other), id_of(&at_the_client()), "the port was used again at once");
}

#[test]
fn without_a_sequence_number_the_minute_tells_attempts_apart() {
    let id = |second| {
        let mut record = attempt(0, pod("web", "front-5d-1"), service("data", "db"), Outcome::Refused);
        record.time = at(second);
        id_of(&record)
    };
    // A minute begins 20 s after the builders' time.
    assert_eq!(id(20), id(79));
    assert_ne!(id(19), id(20));
}

#[test]
fn resets_on_two_nodes_have_one_id_and_those_of_two_sides_have_two() {
    let there = reset(21, pod("web", "front-5d-1"), pod("data", "db-0"));
    let here = FlowRecord { node: "node2".into(), time: at(22), ..there.clone() };
    assert_eq!(id_of(&there), id_of(&here));
    let mut other = there.clone();
    if let Event::Reset(reset) = &mut other.event {
        reset.by = Side::Client;
    }
    assert_ne!(id_of(&there), id_of(&other));
    let record = of_record(&there).unwrap();
    assert_eq!(attributes(&record)["flow_observer.reset.phase"], Phase::Orphan.as_str());
    assert!(body(&record).contains("reset by server"), "{}", body(&record));
    assert_eq!(RstOrigin::default().reason, None);
}

#[test]
fn a_policy_change_names_its_author() {
    let change = PolicyChange {
        object: "NetworkPolicy".into(),
        namespace: Some("data".into()),
        name: "deny".into(),
        change: ChangeVerb::Changed,
        manager: Some("argocd".into()),
        summary: "NetworkPolicy data/deny was changed by argocd".into(),
    };
    let record = FlowRecord { time: at(1), node: "node1".into(), event: Event::PolicyChange(change) };
    let made = of_record(&record).unwrap();
    let all = attributes(&made);
    assert_eq!(all["flow_observer.policy.manager"], "argocd");
    assert_eq!(all["k8s.namespace.name"], "data");
    assert!(body(&made).contains("was changed by argocd"), "{}", body(&made));
    assert_eq!(id_of(&record), id_of(&FlowRecord { node: "node2".into(), ..record.clone() }));
}

#[test]
fn a_finding_begins_and_ends_once_for_all_nodes() {
    let (active, over) = (finding("f1", 1), resolved(finding("f1", 1), 9));
    let appeared = of_finding("node1", FindingChange::Appeared, &active);
    let ended = of_finding("node1", FindingChange::Resolved, &over);
    assert_eq!((body(&appeared).as_str(), appeared.severity_text.as_str()), ("summary of f1", "WARN"));
    assert_eq!((ended.severity_text.as_str(), ended.time_unix_nano), ("INFO", 1_795_000_009_000_000_000));
    assert_eq!(attributes(&ended)["flow_observer.finding.ended_because"], "the policies allow it");
    let id = |node, change| attributes(&of_finding(node, change, &active))[ID].clone();
    assert_eq!(id("node1", FindingChange::Appeared), id("node2", FindingChange::Appeared));
    assert_ne!(id("node1", FindingChange::Appeared), id("node1", FindingChange::Resolved));
    assert_ne!(id("node1", FindingChange::Updated), id("node2", FindingChange::Updated));
}
