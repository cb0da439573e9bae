//! A finding as an Event: its name, its text, and its count.

use std::sync::Arc;

use arcstr::{ArcStr, literal};
use flow_model::finding::{Counting, Finding, State};

use crate::kube::events::subject::{Object, Subject};

/// The namespace and name of an Event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) namespace: ArcStr,
    pub(super) name: ArcStr,
}

/// The newest state of a finding, for one object.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) key: Key,
    pub(super) finding: Arc<Finding>,
    pub(super) subject: Subject,
}

/// The state of an Event after its last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventState {
    /// The finding's own count then.
    pub(super) finding: u64,
    /// The Event's count.
    pub(super) count: i32,
    pub(super) message: String,
}

/// The way in which a write ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The Event exists and is in this state.
    Written(EventState),
    /// The object, or its namespace, does not exist any more.
    Gone,
    /// The server rejects such an Event.
    Invalid,
    /// The agent lacks the permission.
    Forbidden,
    /// The server could not be reached, or was overloaded.
    Failed,
}

impl Report {
    pub(super) fn new(finding: Arc<Finding>, subject: Subject) -> Self {
        let Object { namespace, name, .. } = &subject.regarding;
        // The API server wants Events of objects without a namespace there (`ValidateEvent` in
        // <https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/apis/core/validation/events.go>).
        let namespace = if namespace.is_empty() { literal!("default") } else { namespace.clone() };
        Self { key: Key { namespace, name: event_name(name, &finding.id) }, finding, subject }
    }
}

impl EventState {
    /// Returns the state of a new Event.
    pub(super) fn first(finding: &Finding) -> Self {
        let count = match finding.kind.traits().counting {
            Counting::Occurrences => clamp(finding.count).max(1),
            // The finding counts open connections. The Event counts its own writes then.
            Counting::Present => 1,
        };
        Self { finding: finding.count, count, message: message(finding) }
    }

    /// Returns the state after the next write.
    pub(super) fn next(&self, finding: &Finding) -> Self {
        let more = match finding.kind.traits().counting {
            Counting::Occurrences => clamp(finding.count.saturating_sub(self.finding)),
            Counting::Present => 1,
        };
        Self { finding: finding.count, count: self.count.saturating_add(more), message: message(finding) }
    }

    /// Is true where a write would change the Event. This compares the Event that the API server has with the finding,
    /// so a write that failed is made up for. A finding's end changes nothing but the count: the Event's text stays.
    pub(super) fn lacks(&self, finding: &Finding) -> bool {
        let counts = finding.kind.traits().counting == Counting::Occurrences;
        let active = finding.state == State::Active;
        (counts && finding.count > self.finding) || (active && message(finding) != self.message)
    }
}

/// Returns the Event's text: the finding's sentence, and its cause where the sentence lacks it.
pub(super) fn message(finding: &Finding) -> String {
    const LONGEST: usize = 1_024;
    let Finding { summary, cause, .. } = finding;
    let text = match cause {
        Some(cause) if !summary.contains(cause.as_str()) => format!("{summary}. Cause: {cause}"),
        _ => summary.clone(),
    };
    text[..fitting(&text, LONGEST)].to_owned()
}

/// Returns the length of the longest beginning that consists of whole characters and has at most this many bytes.
fn fitting(text: &str, bytes: usize) -> usize {
    (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

/// Returns a name that is unique for the finding and the object, and valid whatever the object's name is.
fn event_name(object: &str, id: &str) -> ArcStr {
    const LONGEST: usize = 253;
    let room = LONGEST.saturating_sub(id.len() + 1);
    let object = object[..fitting(object, room)].trim_end_matches(['-', '.']);
    arcstr::format!("{object}.{id}")
}

/// Returns a count as an Event has it.
fn clamp(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
