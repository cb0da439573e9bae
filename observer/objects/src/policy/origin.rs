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
    let newest = newest_change(&metadata["managedFields"]);
    Origin {
        uid: text(&metadata["uid"]).unwrap_or_default(),
        created: time(&metadata["creationTimestamp"]),
        changed: newest.and_then(|entry| time(&entry["time"])),
        manager: newest.and_then(|entry| text(&entry["manager"])),
        audit_ignore: metadata["annotations"][AUDIT_IGNORE].as_str().map(ArcStr::from),
    }
}

/// Returns the newest entry that owns something in `spec`. One without time is older than any other.
fn newest_change(entries: &Value) -> Option<&Value> {
    let entries = entries.as_array()?.iter();
    let of_spec = entries.filter(|entry| entry["fieldsV1"].get("f:spec").is_some());
    of_spec.max_by_key(|entry| time(&entry["time"]))
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
