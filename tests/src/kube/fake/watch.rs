//! Watches: events as lines, until the client's timeout.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::answer::{self, Body, Form};
use super::serve::Asked;
use super::store::Change;

/// The answer to a client that requests its list through the watch (`sendInitialEvents`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// The parameter is ignored, as in 1.20.
    Unknown,
    /// The feature is switched off: 422.
    Forbidden,
    /// The list is sent as events, then a bookmark marks its end.
    Streamed,
}

/// The times between two bookmarks, and between the last one and the end of a watch, as in kube-apiserver.
const BOOKMARK: Duration = Duration::from_secs(60);
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
const ENDS: Duration = Duration::from_secs(1800);

struct Watch {
    asked: Asked,
    shared: Arc<Shared>,
    changed: tokio::sync::watch::Receiver<()>,
    /// The version up to which events are sent.
    version: u64,
    pending: VecDeque<Value>,
    bookmark: Instant,
    end: Instant,
    over: bool,
}

pub(super) fn answer(asked: Asked, shared: &Arc<Shared>) -> Response<Body> {
    let initial = asked.query.is_set("sendInitialEvents");
    if initial && shared.lists == Lists::Forbidden {
        let message = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        return answer::failure(422, "Invalid", message);
    }
    let watch = Watch::new(asked, shared, initial && shared.lists == Lists::Streamed);
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        let frame = Frame::data(Bytes::from(format!("{event}\n")));
        Some((Ok::<_, Infallible>(frame), watch))
    });
    let mut answer = Response::new(StreamBody::new(events).boxed_unsync());
    answer.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    answer
}

impl Watch {
    fn new(asked: Asked, shared: &Arc<Shared>, streamed: bool) -> Self {
        let changed = shared.changed.subscribe();
        let now = Instant::now();
        let end = now + asked.query.number("timeoutSeconds").map_or(ENDS, Duration::from_secs);
        let bookmark = (now + BOOKMARK).min(end.checked_sub(BOOKMARK_BEFORE_END).unwrap_or(now));
        let mut watch = Self {
            version: asked.query.number("resourceVersion").unwrap_or(0),
            asked,
            shared: Arc::clone(shared),
            changed,
            pending: VecDeque::new(),
            bookmark,
            end,
            over: false,
        };
        watch.begin(streamed);
        watch
    }

    /// Starts the watch. Without a version it begins with every existing object.
    fn begin(&mut self, streamed: bool) {
        let shared = Arc::clone(&self.shared);
        let store = shared.store();
        if self.version == 0 || streamed {
            self.version = store.version();
            let objects = store.at(&self.asked.kind, self.version);
            let events = objects
                .iter()
                .filter(|o| self.asked.selects(o))
                .map(|o| event("ADDED", &self.asked.form.of(o)));
            self.pending.extend(events);
            if streamed {
                let mut mark = self.mark();
                mark["object"]["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
                self.pending.push_back(mark);
            }
        } else if !store.knows(self.version) {
            self.pending.push_back(event("ERROR", &answer::expired(self.version, store.version())));
            self.over = true;
        }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            self.collect();
            if self.pending.is_empty() && !self.over {
                self.wait().await?;
            }
        }
    }

    /// Returns the changes since the last call.
    fn collect(&mut self) {
        self.changed.mark_unchanged();
        let shared = Arc::clone(&self.shared);
        let store = shared.store();
        for change in store.since(&self.asked.kind, self.version) {
            self.pending.extend(self.event(&change));
        }
        self.version = store.version();
        let kind = &self.asked.kind;
        self.over = store.kind(&kind.group, &kind.version, &kind.plural).is_none();
    }

    /// Turns changes into additions and deletions, as the selector requires.
    fn event(&self, change: &Change) -> Option<Value> {
        let selected = |object: &Option<Value>| object.clone().filter(|o| self.asked.selects(o));
        let (what, mut object) = match (selected(&change.before), selected(&change.after)) {
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(before), None) => ("DELETED", before),
            (None, None) => return None,
        };
        object["metadata"]["resourceVersion"] = json!(change.version.to_string());
        Some(event(what, &self.asked.form.of(&object)))
    }

    /// Waits for a change; `None` at the end.
    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            changed = self.changed.changed() => changed.ok(),
            () = sleep_until(self.bookmark.min(self.end)) => {
                if Instant::now() >= self.end {
                    return None;
                }
                self.bookmark += BOOKMARK;
                if self.asked.query.is_set("allowWatchBookmarks") {
                    let mark = self.mark();
                    self.pending.push_back(mark);
                }
                Some(())
            }
        }
    }

    fn mark(&self) -> Value {
        let kind = &self.asked.kind;
        let (name, api_version) = match self.asked.form {
            Form::Whole => (kind.kind.clone(), kind.api_version()),
            Form::Metadata => ("PartialObjectMetadata".to_owned(), "meta.k8s.io/v1".to_owned()),
        };
        let metadata = json!({"resourceVersion": self.version.to_string(), "creationTimestamp": null});
        event("BOOKMARK", &json!({"kind": name, "apiVersion": api_version, "metadata": metadata}))
    }
}

fn event(what: &str, object: &Value) -> Value {
    json!({"type": what, "object": object})
}
