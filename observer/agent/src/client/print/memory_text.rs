//! Where an agent's memory begins, as a sentence.

use flow_model::record::{Event, FlowRecord, Kind, Memory};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::client::print::printable;

/// Returns the sentence for a line of the tail, if that is a `memory` record.
pub(crate) fn of_line(json: &str, zone: &TimeZone) -> Option<String> {
    // Other lines need not be read for this.
    if !json.contains(r#""kind":"memory""#) {
        return None;
    }
    let record: FlowRecord = serde_json::from_str(json).ok()?;
    let Event::Memory(memory) = &record.event else { return None };
    let (node, asked) = (printable(&record.node), time(record.time, zone));
    Some(format!("node {node} does not remember everything since {asked}: it has {}", kinds(memory, zone)))
}

/// Lists what is remembered since when. Where nothing gave way, that is since the agent's start.
pub(super) fn kinds(Memory { started, begins }: &Memory, zone: &TimeZone) -> String {
    let gave_way = begins.iter().filter(|(_, begin)| *begin != started);
    let mut parts: Vec<_> =
        gave_way.map(|(kind, begin)| format!("{} since {}", plural(*kind), time(*begin, zone))).collect();
    let start = time(*started, zone);
    if parts.len() == begins.len() {
        parts.push("everything else that was asked for".to_owned());
    } else if parts.is_empty() {
        parts.push(format!("records since its agent's start, {start}"));
    } else {
        parts.push(format!("everything else since its agent's start, {start}"));
    }
    parts.join(", ")
}

fn time(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Attempt => "attempts",
        Kind::Reset => "resets",
        Kind::Drop => "drops",
        Kind::Announcement => "announcements",
        Kind::PolicyChange => "policy changes",
        Kind::Check => "checks",
        Kind::Lost => "records of losses",
        Kind::Memory => "records of its memory",
    }
}

#[cfg(test)]
mod tests;
