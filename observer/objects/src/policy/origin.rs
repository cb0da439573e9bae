//! The author of a policy. It changes no verdict, so nothing here makes a policy unreadable.

use arcstr::ArcStr;
use flow_model::policies::Origin;
use jiff::Timestamp;
use serde_json::Value;

use crate::policy::field::Record;

/// The annotation that excludes a policy from audits, with the reason.
const AUDIT_IGNORE: &str = "flow-observer.io/audit-ignore";

/// Reads who wrote a policy, and when.
pub(super) fn read(object: &Record<'_>) -> Origin {
    let Some(metadata) = object.get("metadata").map(|field| field.value()) else { return Origin::default() };
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(ArcStr::from);
    let newest = newest_changes(&metadata["managedFields"]);
    let mut managers: Vec<ArcStr> = newest.iter().filter_map(|entry| text(&entry["manager"])).collect();
    managers.sort_unstable();
    managers.dedup();
    let manager = if managers.len() == 1 { managers.pop() } else { None };
    Origin {
        uid: text(&metadata["uid"]).unwrap_or_default(),
        created: time(&metadata["creationTimestamp"]),
        changed: newest.first().and_then(|entry| time(&entry["time"])),
        manager,
        managers,
        audit_ignore: metadata["annotations"][AUDIT_IGNORE].as_str().map(ArcStr::from),
    }
}

/// Returns the newest entries that own something in `spec`. Those without time are older than any other.
fn newest_changes(entries: &Value) -> Vec<&Value> {
    let entries = entries.as_array().into_iter().flatten();
    let of_spec: Vec<&Value> = entries.filter(|entry| entry["fieldsV1"].get("f:spec").is_some()).collect();
    let newest = of_spec.iter().map(|entry| time(&entry["time"])).max();
    of_spec.into_iter().filter(|entry| Some(time(&entry["time"])) == newest).collect()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
