//! Writes one Event to the API server: creates it, or patches the one that exists.

use std::num::NonZeroUsize;
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::finding::FindingKind;
use flow_objects::kinds::Kind;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Error;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::Status;
use lru::LruCache;
use serde_json::json;
use tokio::time::timeout;

use crate::kube::access::ApiAccess;
use crate::kube::events::CONTROLLER;
use crate::kube::events::complaint::Complaint;
use crate::kube::events::report::{About, EventState, Key, Outcome, Report};
use crate::kube::events::subject::Object;
use crate::kube::words;

/// The time for all requests of one report.
const PATIENCE: Duration = Duration::from_secs(15);
/// The time for which an Event that another agent wrote needs no update.
const FRESH: SignedDuration = SignedDuration::from_secs(60);
const MAX_UIDS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// Writes Events, one after the other.
pub(super) struct Writer {
    access: ApiAccess,
    node: ArcStr,
    /// This holds the UIDs of Services, by namespace and name.
    uids: LruCache<(ArcStr, ArcStr), Option<ArcStr>>,
    complaint: Complaint,
}

impl Writer {
    pub(super) fn new(access: ApiAccess, node: ArcStr) -> Self {
        Self { access, node, uids: LruCache::new(MAX_UIDS), complaint: Complaint::default() }
    }

    /// Brings the Event up to date. `written` is its state, as far as it is known.
    pub(super) async fn write(&mut self, report: &Report, written: Option<EventState>) -> Outcome {
        let error = match timeout(PATIENCE, self.put(report, written)).await {
            Ok(Ok(written)) => {
                self.complaint.works();
                return Outcome::Written(written);
            }
            Ok(Err(error)) => error,
            Err(elapsed) => {
                self.complaint.unreachable(&elapsed);
                return Outcome::Failed;
            }
        };
        match &error {
            Error::Api(status) if is_gone(status) => Outcome::Gone,
            Error::Api(status) if status.is_forbidden() => {
                self.complaint.forbidden(&words::of_request(&error));
                Outcome::Forbidden
            }
            Error::Api(status) if matches!(status.code, 400 | 405 | 413 | 415 | 422) => {
                self.complaint.invalid(&words::of_request(&error));
                Outcome::Invalid
            }
            _ => {
                self.complaint.unreachable(&words::of_request(&error));
                Outcome::Failed
            }
        }
    }

    async fn put(&mut self, report: &Report, written: Option<EventState>) -> Result<EventState, Error> {
        let events = Api::namespaced(self.access.client(), &report.key.namespace);
        let shared = report.subject.is_shared();
        if let Some(written) = written.as_ref().filter(|_| !shared) {
            let next = written.next(report, report.message(&self.node));
            match patch(&events, report, &next).await {
                // The API server deleted it after an hour.
                Err(Error::Api(status)) if status.is_not_found() => {}
                result => return result.map(|()| next),
            }
        }
        if written.is_none() || !shared {
            match self.create(&events, report).await {
                // It is ours from before a restart, or another agent's.
                Err(Error::Api(status)) if status.is_already_exists() => {}
                result => return result,
            }
        }
        match events.get_opt(&report.key.name).await? {
            Some(event) => {
                let message = report.message(&self.node);
                continue_event(&events, report, message, written, &event).await
            }
            None => self.create(&events, report).await,
        }
    }

    async fn create(&mut self, events: &Api<Event>, report: &Report) -> Result<EventState, Error> {
        let mut regarding = report.subject.regarding.clone();
        if regarding.kind == Kind::Service {
            regarding.uid = self.uid(&regarding).await?;
        }
        let written = EventState::first(report, report.message(&self.node));
        let event = self.event(report, &regarding, &written);
        events.create(&PostParams::default(), &event).await?;
        Ok(written)
    }

    /// Returns the UID of a Service. Without the permission to read it the Event has none: `kubectl get events` shows
    /// it then, and `kubectl describe` does not.
    async fn uid(&mut self, service: &Object) -> Result<Option<ArcStr>, Error> {
        let key = (service.namespace.clone(), service.name.clone());
        if let Some(uid) = self.uids.get(&key) {
            return Ok(uid.clone());
        }
        let services: Api<Service> = Api::namespaced(self.access.client(), &service.namespace);
        let uid = match services.get_metadata(&service.name).await {
            Ok(service) => service.metadata.uid.map(ArcStr::from),
            Err(Error::Api(status)) if status.is_forbidden() => None,
            Err(error) => return Err(error),
        };
        self.uids.put(key, uid.clone());
        Ok(uid)
    }

    fn event(&self, report: &Report, regarding: &Object, written: &EventState) -> Event {
        let Report { key: Key { namespace, name }, about, finding, subject } = report;
        let text = |text: &str| Some(text.to_owned());
        let (type_, reason) = match about {
            About::Finding => ("Warning", reason(finding.kind)),
            About::End => ("Normal", format!("{}Ended", reason(finding.kind))),
        };
        Event {
            metadata: ObjectMeta { name: text(name), namespace: text(namespace), ..ObjectMeta::default() },
            involved_object: reference(regarding),
            related: subject.related.as_ref().map(reference),
            type_: text(type_),
            reason: Some(reason),
            action: text("Observe"),
            message: Some(written.message.clone()),
            count: Some(written.count),
            first_timestamp: Some(Time(whole(report.first_seen()))),
            last_timestamp: Some(Time(whole(report.last_seen()))),
            source: Some(EventSource { component: text(CONTROLLER), host: text(&self.node) }),
            reporting_component: text(CONTROLLER),
            reporting_instance: text(&self.node),
            ..Event::default()
        }
    }
}

/// Continues an Event that exists.
async fn continue_event(
    events: &Api<Event>,
    report: &Report,
    message: String,
    written: Option<EventState>,
    event: &Event,
) -> Result<EventState, Error> {
    let subject = &report.subject;
    let there = event.count.unwrap_or(1);
    let mut next = match written {
        None => EventState::first(report, message),
        Some(written) => written.next(report, message),
    };
    // An end happens once. Another agent wrote it, or an answer was lost.
    if report.about == About::End {
        return Ok(next);
    }
    let same_run = event.first_timestamp.as_ref().map(|time| time.0) == Some(whole(report.first_seen()));
    next.count = if subject.is_shared() || same_run {
        next.count.max(there)
    } else {
        next.count.saturating_add(there)
    };
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let fresh = last.is_some_and(|last| report.last_seen().duration_since(last) <= FRESH);
    if subject.is_shared() && fresh && next.count == there {
        return Ok(next);
    }
    patch(events, report, &next).await?;
    Ok(next)
}

async fn patch(events: &Api<Event>, report: &Report, written: &EventState) -> Result<(), Error> {
    let last = whole(report.last_seen()).to_string();
    let change = json!({ "count": written.count, "lastTimestamp": last, "message": written.message });
    events.patch(&report.key.name, &PatchParams::default(), &Patch::Merge(change)).await?;
    Ok(())
}

fn reference(object: &Object) -> ObjectReference {
    let text = |text: &str| Some(text.to_owned());
    ObjectReference {
        api_version: Some(object.kind.api_version()),
        kind: text(object.kind.name()),
        namespace: (!object.namespace.is_empty()).then(|| object.namespace.to_string()),
        name: text(&object.name),
        uid: object.uid.as_deref().and_then(text),
        ..ObjectReference::default()
    }
}

/// Returns `PolicyDenied` for `policy_denied`.
pub(super) fn reason(kind: FindingKind) -> String {
    let capitalised = |word: &str| {
        let mut chars = word.chars();
        chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect::<String>()
    };
    kind.as_str().split('_').map(capitalised).collect()
}

/// Is true where the object or its namespace is deleted, or is being deleted.
fn is_gone(status: &Status) -> bool {
    let terminating = |status: &Status| {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
            || status.message.contains("is being terminated")
    };
    status.is_not_found() || (status.is_forbidden() && terminating(status))
}

/// Cuts a time to whole seconds, as Events have them.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
