//! Entries as log records. Nothing here has a state.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use flow_model::finding::{Finding, FindingChange, Severity};
use flow_model::flow::Outcome;
use flow_model::input::CheckStep;
use flow_model::object_ref::ObjectRef;
use flow_model::record::{
    Announcement, Attempt, Check, Drop, Endpoint, Event, FlowRecord, Kind, LossCause, Lost, PolicyChange,
    Reset,
};
use flow_model::vip::ClaimSource;
use jiff::Timestamp;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};

use crate::client::print::record_lines::{sentence, sides as both};
use crate::otlp::attributes::{Attributes, any};
use crate::otlp::id::{Id, server};
use crate::otlp::minutes::Connections;

/// The prefix of the names of events and attributes that have no name in the semantic conventions.
macro_rules! own {
    ($name:literal) => {
        concat!("flow_observer.", $name)
    };
}

/// The attribute with the id of an event, which the records of all nodes about it have.
const ID: &str = own!("event.id");

/// Returns the record of a flow record, or `None` for one that says nothing about the cluster.
pub(super) fn of_record(record: &FlowRecord) -> Option<LogRecord> {
    let FlowRecord { time, node, event } = record;
    let mut attributes = Attributes::default();
    attributes.text(ID, id(*time, node, event));
    let severity = match event {
        Event::Attempt(attempt) => of_attempt(attempt, &mut attributes),
        Event::Reset(reset) => of_reset(reset, &mut attributes),
        Event::Drop(drop) => of_drop(drop, &mut attributes),
        Event::Announcement(announcement) => of_announcement(announcement, &mut attributes),
        Event::PolicyChange(change) => of_policy_change(change, &mut attributes),
        Event::Check(check) => of_check(check, &mut attributes),
        Event::Lost(lost) => of_lost(lost, &mut attributes),
        Event::Memory(_) => return None,
    };
    Some(made(*time, name(event.kind()), severity, sentence(event), attributes))
}

/// Returns the record of a finding that changed.
pub(super) fn of_finding(node: &str, change: FindingChange, finding: &Finding) -> LogRecord {
    let time = match change {
        FindingChange::Appeared => finding.first_seen,
        FindingChange::Updated | FindingChange::Confirmed => finding.last_seen,
        FindingChange::Resolved => finding.ended.unwrap_or(finding.last_seen),
    };
    let severity = match (change, finding.severity) {
        (FindingChange::Resolved, _) | (_, Severity::Info) => SeverityNumber::Info,
        (_, Severity::Warning) => SeverityNumber::Warn,
        (_, Severity::Critical) => SeverityNumber::Error,
    };
    let change = match change {
        FindingChange::Appeared => "appeared",
        FindingChange::Updated | FindingChange::Confirmed => "updated",
        FindingChange::Resolved => "resolved",
    };
    let id = Id::new("finding").text(&finding.id).text(change);
    // Two nodes see the same beginning and the same end, but each has news of its own in between.
    let id = if change == "updated" { id.text(node).number(nanos(time)) } else { id };
    let mut attributes = Attributes::default();
    attributes.text(ID, id.finish());
    attributes.text(own!("finding.change"), change);
    finding_facts(finding, &mut attributes);
    made(time, own!("finding"), severity, finding.summary.clone(), attributes)
}

fn finding_facts(finding: &Finding, attributes: &mut Attributes) {
    attributes.text(own!("finding.id"), finding.id.to_string());
    attributes.text(own!("finding.subject"), finding.subject.to_string());
    attributes.maybe(own!("finding.previous"), finding.previous.as_ref().map(ToString::to_string));
    attributes.text(own!("finding.kind"), finding.kind.as_str());
    attributes.text(own!("finding.state"), finding.state.as_str());
    attributes.text(own!("finding.severity"), finding.severity.as_str());
    attributes.text(own!("finding.first_seen"), finding.first_seen.to_string());
    attributes.maybe(own!("finding.ended_because"), finding.ended_because.clone());
    attributes.maybe(own!("finding.cause"), finding.cause.clone());
    attributes.maybe(own!("vip"), finding.vip.as_ref().map(ToString::to_string));
    attributes.number(own!("count"), finding.count);
    attributes.objects(own!("policies"), &finding.policies);
    // One example of each side stands for all of them, so the client's port says nothing.
    for (name, side) in [("source", &finding.src), ("destination", &finding.dst)] {
        side.iter().for_each(|side| attributes.side(name, side));
    }
}

/// Returns the record of the connections of one pair and interval.
pub(super) fn of_connections(connections: &Connections) -> LogRecord {
    let Connections { begin, seconds, vantage, sides, verdict, count, retransmits, slowest_us } = connections;
    let id = Id::new("connections").number(begin.as_second());
    let mut attributes = Attributes::default();
    let (id, who) = match sides {
        Some((src, dst)) => {
            let (ip, port) = server(dst);
            let client = Endpoint { port: 0, ..src.clone() };
            (id.ip(src.ip).ip(ip).number(port.into()), both(&client, dst))
        }
        None => (id.text("_other").text(vantage.as_str()), "_other -> _other".to_owned()),
    };
    attributes.text(ID, id.finish());
    attributes.text(own!("vantage"), vantage.as_str());
    attributes.text(own!("outcome"), Outcome::Established.as_str());
    attributes.number(own!("count"), *count);
    if *retransmits > 0 {
        attributes.number(own!("syn_retransmits"), *retransmits);
    }
    if let Some(slowest) = slowest_us {
        attributes.number(own!("latency.max_us"), *slowest);
    }
    attributes.verdict(verdict.as_deref());
    if let Some((src, dst)) = sides {
        let client = Endpoint { port: 0, ..src.clone() };
        attributes.flow(&client, dst, "tcp");
    }
    let connections = if *count == 1 { "connection" } else { "connections" };
    let body = format!("{who} {count} {connections} established within {seconds} s");
    made(*begin, own!("connections"), SeverityNumber::Info, body, attributes)
}

/// Returns the record of a move of a VIP that an object of the API shows.
pub(super) fn of_api_move(
    time: Timestamp,
    vip: IpAddr,
    service: Option<&ObjectRef>,
    source: ClaimSource,
) -> LogRecord {
    let mut attributes = Attributes::default();
    attributes.text(ID, Id::new("move").ip(vip).text(source.as_str()).minute(time).finish());
    attributes.text(own!("vip"), vip.to_string());
    attributes.text(own!("vip.source"), source.as_str());
    attributes.text(own!("vip.move"), "true");
    attributes.objects(own!("services"), service.map(std::slice::from_ref).unwrap_or_default());
    let whose = service.map(|service| format!(" ({service})")).unwrap_or_default();
    let body = format!("{vip}{whose} moved{}", source.traits().according_to);
    made(time, own!("announcement"), SeverityNumber::Warn, body, attributes)
}

fn of_attempt(attempt: &Attempt, attributes: &mut Attributes) -> SeverityNumber {
    let Attempt { vantage, outcome, src, dst, .. } = attempt;
    attributes.text(own!("vantage"), vantage.as_str());
    attributes.text(own!("outcome"), outcome.as_str());
    attributes.maybe(own!("signal"), attempt.signal.as_ref().map(ToString::to_string));
    attributes.maybe(own!("drop.reason"), attempt.drop_reason.as_ref().map(ToString::to_string));
    attributes.maybe(own!("cause"), attempt.cause.map(LossCause::as_str));
    attributes.maybe(own!("enforcer.policy"), attempt.enforcer_policy.as_ref().map(ToString::to_string));
    attributes.maybe(own!("reset.reason"), attempt.origin.reason.as_ref().map(ToString::to_string));
    if attempt.syn_retransmits > 0 {
        attributes.number(own!("syn_retransmits"), attempt.syn_retransmits.into());
    }
    attributes.verdict(attempt.verdict.as_deref());
    attributes.flow(src, dst, "tcp");
    if *outcome == Outcome::Established { SeverityNumber::Info } else { SeverityNumber::Warn }
}

fn of_reset(reset: &Reset, attributes: &mut Attributes) -> SeverityNumber {
    let Reset { vantage, by, phase, vip, origin, cause, src, dst } = reset;
    attributes.text(own!("vantage"), vantage.as_str());
    attributes.text(own!("reset.by"), by.as_str());
    attributes.text(own!("reset.phase"), phase.as_str());
    attributes.maybe(own!("reset.reason"), origin.reason.as_ref().map(ToString::to_string));
    attributes.maybe(own!("cause"), cause.map(|cause| cause.to_string()));
    attributes.maybe(own!("vip"), vip.as_ref().map(ToString::to_string));
    attributes.flow(src, dst, "tcp");
    SeverityNumber::Warn
}

fn of_drop(drop: &Drop, attributes: &mut Attributes) -> SeverityNumber {
    let Drop { vantage, reason, protocol, tcp_flags, enforcer_policy, src, dst, verdict, .. } = drop;
    attributes.text(own!("vantage"), vantage.as_str());
    attributes.text(own!("drop.reason"), reason.to_string());
    attributes.maybe(own!("tcp.flags"), tcp_flags.as_ref().map(ToString::to_string));
    attributes.maybe(own!("enforcer.policy"), enforcer_policy.as_ref().map(ToString::to_string));
    attributes.verdict(verdict.as_deref());
    attributes.flow(src, dst, &protocol.to_lowercase());
    SeverityNumber::Warn
}

fn of_announcement(announcement: &Announcement, attributes: &mut Attributes) -> SeverityNumber {
    let Announcement { ip, mac, claimant, previous, r#move, how, services } = announcement;
    attributes.text(own!("vip"), ip.to_string());
    attributes.text(own!("vip.source"), ClaimSource::Wire.as_str());
    attributes.text(own!("vip.move"), r#move.to_string());
    attributes.text(own!("vip.mac"), mac.to_string());
    attributes.maybe(own!("vip.claimant"), claimant.as_ref().map(ToString::to_string));
    attributes.maybe(own!("vip.previous"), previous.as_ref().map(ToString::to_string));
    attributes.text(own!("vip.how"), how.as_str());
    attributes.objects(own!("services"), services);
    if *r#move { SeverityNumber::Warn } else { SeverityNumber::Info }
}

fn of_policy_change(change: &PolicyChange, attributes: &mut Attributes) -> SeverityNumber {
    let PolicyChange { object, namespace, name, change, manager, .. } = change;
    attributes.text(own!("policy.kind"), object.to_string());
    attributes.text(own!("policy.name"), name.to_string());
    attributes.maybe("k8s.namespace.name", namespace.as_ref().map(ToString::to_string));
    attributes.text(own!("policy.change"), change.as_str());
    attributes.maybe(own!("policy.manager"), manager.as_ref().map(ToString::to_string));
    SeverityNumber::Info
}

fn of_check(check: &Check, attributes: &mut Attributes) -> SeverityNumber {
    let Check { name, ok, step, error, src, dst, .. } = check;
    attributes.text(own!("check.name"), name.to_string());
    attributes.maybe(own!("check.step"), step.map(CheckStep::as_str));
    attributes.maybe(own!("check.error"), error.as_ref().map(ToString::to_string));
    attributes.flow(src, dst, "tcp");
    if *ok { SeverityNumber::Info } else { SeverityNumber::Warn }
}

fn of_lost(lost: &Lost, attributes: &mut Attributes) -> SeverityNumber {
    attributes.number(own!("count"), lost.lost);
    attributes.text(own!("lost.stage"), lost.stage.to_string());
    SeverityNumber::Warn
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Attempt => own!("attempt"),
        Kind::Reset => own!("reset"),
        Kind::Drop => own!("drop"),
        Kind::Announcement => own!("announcement"),
        Kind::PolicyChange => own!("policy_change"),
        Kind::Check => own!("check"),
        Kind::Lost => own!("lost"),
        Kind::Memory => own!("memory"),
    }
}

/// Returns the id of an event. The more of it only one node can see, the less other nodes' ids agree: docs/HISTORY.md says how
/// far each goes.
fn id(time: Timestamp, node: &str, event: &Event) -> String {
    let id = Id::new(event.kind().as_str());
    let id = match event {
        Event::Attempt(Attempt { src, dst, isn: 0, .. }) => id.flow(src, dst).minute(time),
        Event::Attempt(Attempt { src, dst, isn, .. }) => id.flow(src, dst).number((*isn).into()),
        Event::Reset(Reset { src, dst, by, .. }) => id.flow(src, dst).text(by.as_str()).minute(time),
        // One place drops a packet.
        Event::Drop(Drop { src, dst, reason, .. }) => {
            id.flow(src, dst).text(reason).text(node).number(nanos(time))
        }
        Event::Announcement(Announcement { ip, mac, .. }) => id.ip(*ip).text(&mac.to_string()).minute(time),
        Event::PolicyChange(PolicyChange { object, namespace, name, change, .. }) => id
            .text(object)
            .text(namespace.as_deref().unwrap_or_default())
            .text(name)
            .text(change.as_str())
            .minute(time),
        Event::Check(_) | Event::Lost(_) | Event::Memory(_) => id.text(node).number(nanos(time)),
    };
    id.finish()
}

fn made(
    time: Timestamp,
    name: &str,
    severity: SeverityNumber,
    body: String,
    attributes: Attributes,
) -> LogRecord {
    let text = match severity {
        SeverityNumber::Error => "ERROR",
        SeverityNumber::Warn => "WARN",
        _ => "INFO",
    };
    LogRecord {
        time_unix_nano: nanos(time).unsigned_abs(),
        observed_time_unix_nano: nanos(Timestamp::now()).unsigned_abs(),
        severity_number: severity.into(),
        severity_text: text.to_owned(),
        event_name: name.to_owned(),
        body: Some(any(body)),
        attributes: attributes.finish(),
        ..LogRecord::default()
    }
}

/// Returns nanoseconds since 1970, which fit until the year 2262.
fn nanos(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX).max(0)
}
