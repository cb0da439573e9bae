//! Small builders for the tests of `sink/` and `http/`.

use flow_model::decision::Decision;
use flow_model::finding::{Finding, FindingKind, Severity, State};
use flow_model::flow::{Counts, Outcome, Pair, Phase, RstOrigin, Side, Vantage};
use flow_model::object_ref::ObjectRef;
use flow_model::output::PairUpdate;
use flow_model::record::{Attempt, Endpoint, Event, FlowRecord, Reset};
use flow_model::vip::Vip;
use jiff::Timestamp;

/// Seconds after some fixed time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}

/// A pod whose workload is its name without the last two parts: `front-5d9c-x1`, or without one: `db-0`.
pub(crate) fn pod(namespace: &str, name: &str) -> Endpoint {
    let parts: Vec<&str> = name.split('-').collect();
    let workload = parts[..parts.len().saturating_sub(2).max(1)].join("-");
    Endpoint {
        namespace: Some(namespace.into()),
        pod: Some(name.into()),
        workload: Some(workload.into()),
        workload_kind: Some("Deployment".into()),
        ..Endpoint::bare([10, 42, 0, 10].into(), 5432)
    }
}

pub(crate) fn service(namespace: &str, name: &str) -> Endpoint {
    Endpoint { service: Some(ObjectRef::new(namespace, name)), ..Endpoint::bare([10, 43, 0, 1].into(), 5432) }
}

pub(crate) fn host(node: &str) -> Endpoint {
    Endpoint { node: Some(node.into()), ..Endpoint::bare([192, 168, 0, 1].into(), 9) }
}

pub(crate) fn external() -> Endpoint {
    Endpoint::bare([1, 1, 1, 1].into(), 443)
}

/// An attempt at this second, whose source port is the same number, so that records can be distinguished.
pub(crate) fn attempt(second: i64, src: Endpoint, dst: Endpoint, outcome: Outcome) -> FlowRecord {
    let port = u16::try_from(second.rem_euclid(65_536)).unwrap();
    let event = Event::Attempt(Attempt {
        verdict: None,
        vantage: Vantage::Source,
        outcome,
        signal: None,
        icmp_type: None,
        icmp_code: None,
        drop_reason: None,
        cause: None,
        accept_backlog: None,
        enforcer: None,
        enforcer_policy: None,
        enforcement_lag: None,
        origin: RstOrigin::default(),
        src: Endpoint { port, ..src },
        dst,
        count: 1,
        latency_us: Some(300),
        syn_retransmits: 0,
        isn: 0,
    });
    FlowRecord { time: at(second), node: "node1".into(), event }
}

pub(crate) fn reset(second: i64, src: Endpoint, dst: Endpoint) -> FlowRecord {
    let (vantage, by, phase) = (Vantage::Source, Side::Server, Phase::Orphan);
    let event = Event::Reset(Reset {
        vantage,
        by,
        phase,
        vip: None,
        origin: RstOrigin::default(),
        cause: None,
        src,
        dst,
    });
    FlowRecord { time: at(second), node: "node1".into(), event }
}

/// An active finding of this id, seen last at this second.
pub(crate) fn finding(id: &str, second: i64) -> Finding {
    Finding {
        id: id.into(),
        subject: id.into(),
        previous: None,
        kind: FindingKind::PolicyDenied,
        state: State::Active,
        first_seen: at(second),
        last_seen: at(second),
        ended: None,
        ended_because: None,
        count: 1,
        of_src: None,
        severity: Severity::Warning,
        summary: format!("summary of {id}"),
        src: Some(pod("web", "front-5d-1")),
        dst: Some(service("data", "db")),
        policies: vec!["data/deny".into()],
        vip: None,
        nodes: vec!["node1".into()],
        cause: None,
        cause_at: None,
        evidence: vec![],
    }
}

/// A VIP without a claimant.
pub(crate) fn vip(services: &[&str]) -> Vip {
    Vip {
        ip: [10, 0, 20, 200].into(),
        services: services.iter().map(|service| ObjectRef::from(*service)).collect(),
        claimant: None,
        history: vec![],
        moves: 0,
        api: vec![],
    }
}

pub(crate) fn resolved(finding: Finding, second: i64) -> Finding {
    let ended_because = Some("the policies allow it".to_owned());
    Finding { state: State::Resolved, ended: Some(at(second)), ended_because, ..finding }
}

/// Increments between two sides, by their addresses.
pub(crate) fn pair(src: Endpoint, dst: Endpoint, counts: Counts) -> PairUpdate {
    let pair = Pair { src: src.ip, dst: dst.ip, dport: dst.port, vantage: Vantage::Source };
    PairUpdate { pair: Some((pair, src, dst)), verdict: Decision::Unknown, counts }
}
