//! A finding as an Event: its name, its text, and its count.

use std::sync::Arc;

use arcstr::{ArcStr, literal};
use flow_model::finding::{Counting, Finding, Share, State};
use jiff::Timestamp;

use crate::kube::events::subject::{Object, Subject};

/// The namespace and name of an Event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) namespace: ArcStr,
    pub(super) name: ArcStr,
}

/// What an Event is about: a finding has one while it goes on, and one for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Finding,
    End,
}

/// The newest state of a finding, for one object.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) key: Key,
    pub(super) about: About,
    pub(super) finding: Arc<Finding>,
    pub(super) subject: Subject,
}

/// The state of an Event after its last write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventState {
    /// The report's own count then.
    pub(super) reported: u64,
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
        let key = Key { namespace, name: event_name(name, &finding.id) };
        Self { key, about: About::Finding, finding, subject }
    }

    /// Returns the report of the finding's end.
    pub(super) fn of_end(self) -> Self {
        let Key { namespace, name } = self.key;
        let name = event_name(&name, "end");
        Self { key: Key { namespace, name }, about: About::End, ..self }
    }

    /// Returns the time of the first thing that the Event counts.
    pub(super) fn first_seen(&self) -> Timestamp {
        match self.about {
            About::Finding => self.share().map_or(self.finding.first_seen, |share| share.first_seen),
            About::End => self.last_seen(),
        }
    }

    pub(super) fn last_seen(&self) -> Timestamp {
        match self.about {
            About::Finding => self.finding.last_seen,
            About::End => self.finding.ended.unwrap_or(self.finding.last_seen),
        }
    }

    /// Returns the Event's text.
    pub(super) fn message(&self, node: &str) -> String {
        match self.about {
            About::Finding => message(&self.finding),
            // Other agents may still see what has ended here.
            About::End if self.subject.is_shared() => end_message(&self.finding, &format!("Ended on {node}")),
            About::End => end_message(&self.finding, "Ended"),
        }
    }

    /// Returns how often it happened to the object.
    pub(super) fn count(&self) -> u64 {
        self.share().map_or(self.finding.count, |share| share.count)
    }

    /// Returns the part of the finding that concerns the object alone: the pods of a workload share a finding.
    fn share(&self) -> Option<Share> {
        let Object { namespace, name, .. } = &self.subject.regarding;
        let src = self.finding.src.as_ref()?;
        let is_src = src.namespace.as_ref() == Some(namespace) && src.pod.as_ref() == Some(name);
        self.finding.of_src.filter(|_| is_src)
    }

    /// Returns how often it happened, or `None` where the finding counts what is there now.
    fn occurrences(&self) -> Option<u64> {
        let counts = self.finding.kind.traits().counting == Counting::Occurrences;
        (counts && self.about == About::Finding).then(|| self.count())
    }
}

impl EventState {
    /// Returns the state of a new Event. One that doesn't count occurrences counts its own writes.
    pub(super) fn first(report: &Report, message: String) -> Self {
        let count = report.occurrences().map_or(1, |count| clamp(count).max(1));
        Self { reported: report.count(), count, message }
    }

    /// Returns the state after the next write.
    pub(super) fn next(&self, report: &Report, message: String) -> Self {
        let more = report.occurrences().map_or(1, |count| clamp(count.saturating_sub(self.reported)));
        Self { reported: report.count(), count: self.count.saturating_add(more), message }
    }

    /// Is true where a write would change the Event. This compares the Event that the API server has with the finding,
    /// so a write that failed is made up for. A finding's end changes nothing but the count: the Event's text stays.
    pub(super) fn lacks(&self, report: &Report) -> bool {
        let more = report.occurrences().is_some_and(|count| count > self.reported);
        let active = report.finding.state == State::Active;
        more || (active && message(&report.finding) != self.message)
    }
}

/// Returns the finding's sentence, and its cause where the sentence lacks it.
pub(super) fn message(finding: &Finding) -> String {
    let Finding { summary, cause, .. } = finding;
    let text = match cause {
        Some(cause) if !summary.contains(cause.as_str()) => format!("{summary}. Cause: {cause}"),
        _ => summary.clone(),
    };
    cut(text)
}

/// Returns the reason of the end, and what has ended.
fn end_message(finding: &Finding, ended: &str) -> String {
    let Finding { summary, ended_because, .. } = finding;
    let because = ended_because.as_ref().map(|because| format!(": {because}")).unwrap_or_default();
    cut(format!("{ended}{because}. Before: {summary}"))
}

/// Cuts a text to the longest that an Event may have.
fn cut(mut text: String) -> String {
    const LONGEST: usize = 1_024;
    text.truncate(fitting(&text, LONGEST));
    text
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
