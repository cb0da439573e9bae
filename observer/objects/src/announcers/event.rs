//! MetalLB's `nodeAssigned` events.

use flow_model::inventory::Announcer;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::events::v1 as events;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use serde_json::Value;

use crate::announcers::body::{AnnouncerBody, EventBody};
use crate::kinds::Kind;
use crate::text::shown;
use crate::values::typed;

const REASON: &str = "nodeAssigned";

/// The fields that the two forms of an event have in common.
struct Common {
    regarding: core::ObjectReference,
    text: String,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// Reads an event. It is `None` for all others, and for an announcement over BGP, which all nodes make at once.
pub(crate) fn read(
    key: &ObjectRef,
    value: Value,
    notes: &mut Vec<String>,
) -> Result<Option<AnnouncerBody>, String> {
    if value["reason"] != REASON {
        return Ok(None);
    }
    let event = common(value)?;
    if event.regarding.kind.as_deref() != Some(Kind::Service.name()) {
        return Ok(None);
    }
    let name = event.regarding.name.filter(|name| !name.is_empty());
    let name = name.ok_or("the Service it is about has no name")?;
    let namespace = event.regarding.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let Some((node, protocol)) = announcement(&event.text) else {
        notes.push(format!("message {} names no announcing node", shown(&event.text)));
        return Ok(None);
    };
    if protocol.is_some_and(|protocol| protocol != "layer2") {
        return Ok(None);
    }
    let announcer = Announcer {
        source: ClaimSource::Event,
        kind: Kind::Event.into(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        service: Some(ObjectRef::new(namespace.unwrap_or(&key.namespace), name)),
        nodes: vec![node.into()],
        since: event.first,
        transitions: None,
    };
    Ok(Some(AnnouncerBody::Event(EventBody { announcer: announcer.into(), last: event.last })))
}

fn common(value: Value) -> Result<Common, String> {
    let version = value["apiVersion"].as_str().unwrap_or_default();
    let new = Kind::Event.row().other_groups.iter().any(|group| version.split('/').next() == Some(group));
    Ok(if new { of_events(typed(value)?) } else { of_core(typed(value)?) })
}

fn of_core(event: core::Event) -> Common {
    let series = event.series.and_then(|series| series.last_observed_time);
    let micro = [event.event_time, series];
    let (first, last) = times([event.first_timestamp, event.last_timestamp], micro, event.metadata);
    Common { regarding: event.involved_object, text: event.message.unwrap_or_default(), first, last }
}

fn of_events(event: events::Event) -> Common {
    let series = event.series.map(|series| series.last_observed_time);
    let old = [event.deprecated_first_timestamp, event.deprecated_last_timestamp];
    let (first, last) = times(old, [event.event_time, series], event.metadata);
    let regarding = event.regarding.unwrap_or_default();
    Common { regarding, text: event.note.unwrap_or_default(), first, last }
}

/// Returns the first and the last time. Which fields are set depends on the writer of the event; its creation is the last
/// resort.
fn times(
    seconds: [Option<Time>; 2],
    micro: [Option<MicroTime>; 2],
    meta: ObjectMeta,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let seconds = seconds.into_iter().flatten().map(|time| time.0);
    let known: Vec<_> = seconds.chain(micro.into_iter().flatten().map(|time| time.0)).collect();
    let created = meta.creation_timestamp.map(|time| time.0);
    (known.iter().min().copied().or(created), known.iter().max().copied().or(created))
}

/// Returns node and protocol of `announcing from node "k8s-node3" with protocol "layer2"`. Old
/// versions name no protocol.
fn announcement(text: &str) -> Option<(&str, Option<&str>)> {
    let (node, rest) = quoted(text.strip_prefix("announcing from node ")?)?;
    let protocol = match rest.trim_end() {
        "" => None,
        rest => Some(quoted(rest.strip_prefix(" with protocol ")?)?.0),
    };
    Some((node, protocol))
}

/// Returns the text between quotation marks, and the rest.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = text.strip_prefix('"')?.split_once('"')?;
    (!inside.is_empty()).then_some((inside, rest))
}
