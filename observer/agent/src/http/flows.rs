//! `/api/v1/flows`: the live tail as NDJSON or server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::http::answer::Failure;
use crate::http::app::App;
use crate::http::limits::{Client, Place};
use crate::http::query::FlowsQuery;
use crate::sink::metrics::Refused;
use crate::sink::tail::{Item, Position, Start, Subscription};

pub(super) async fn get(
    State(app): State<App>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let query = FlowsQuery::parse(&uri, Timestamp::now())?;
    let framing = Framing::wanted(&headers);
    let start = match (framing.resume_at(&headers)?, query.since) {
        (Some(position), since) => Start::After(position, since),
        (None, Some(since)) => Start::Since(since),
        (None, None) => Start::Now,
    };
    let refuse = |status, error: String| {
        app.shared.metrics.http_counters().refuse(Refused::Streams);
        Failure::new(status, error)
    };
    let place = app.streams.take(client).map_err(|_| {
        let limit = app.limits.streams_per_client;
        let error = format!("{limit} streams go to your address already, which is the limit");
        refuse(StatusCode::TOO_MANY_REQUESTS, error)
    })?;
    let subscription = app
        .shared
        .tail
        .subscribe(query.filter, start, query.follow)
        .map_err(|full| refuse(StatusCode::SERVICE_UNAVAILABLE, full.to_string()))?;
    // Scripts read NDJSON, and expect the kinds of record that they asked for.
    let subscription = match framing {
        Framing::Ndjson => subscription.without_memory(),
        Framing::Events => subscription,
    };
    let body = Stream::new(subscription, place, framing, &app).into_body();
    Ok(([(CONTENT_TYPE, framing.content_type())], body).into_response())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Ndjson,
    Events,
}

impl Framing {
    fn wanted(headers: &HeaderMap) -> Self {
        let events = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|accept| {
            accept.split(',').any(|range| {
                let media = range.split(';').next().unwrap_or_default();
                media.trim().eq_ignore_ascii_case("text/event-stream")
            })
        });
        if events { Self::Events } else { Self::Ndjson }
    }

    /// The position of an event source that reconnects.
    fn resume_at(self, headers: &HeaderMap) -> Result<Option<Position>, Failure> {
        match headers.get("last-event-id") {
            Some(id) if self == Self::Events && !id.is_empty() => {
                let id = String::from_utf8_lossy(id.as_bytes());
                id.parse().map(Some).map_err(|e| Failure::bad_request(format!("Last-Event-ID: {e}")))
            }
            _ => Ok(None),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Events => "text/event-stream",
        }
    }
}

/// Returns a body that reads the tail as fast as its client does.
struct Stream {
    subscription: Subscription,
    _place: Place,
    framing: Framing,
    cancel: CancellationToken,
    keep_alive: Duration,
    frames: VecDeque<Bytes>,
}

impl Stream {
    fn new(subscription: Subscription, place: Place, framing: Framing, app: &App) -> Self {
        let App { cancel, keep_alive, .. } = app.clone();
        let frames = VecDeque::new();
        let mut stream = Self { subscription, _place: place, framing, cancel, keep_alive, frames };
        if framing == Framing::Events {
            // An id without data: a client that reconnects before the first record continues from here.
            let greeting = format!("retry: 1000\nid: {}\n\n", stream.subscription.position());
            stream.frames.push_back(greeting.into());
        }
        stream
    }

    fn into_body(self) -> Body {
        Body::from_stream(stream::unfold(self, |mut stream| async move {
            let frame = stream.next().await?;
            Some((Ok::<_, Infallible>(frame), stream))
        }))
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(frame) = self.frames.pop_front() {
            return Some(frame);
        }
        let item = tokio::select! {
            // Otherwise a client that never finishes the replay would delay the shutdown.
            biased;
            () = self.cancel.cancelled() => return None,
            item = self.subscription.next() => item?,
            () = tokio::time::sleep(self.keep_alive), if self.framing == Framing::Events => {
                return Some(sign_of_life(&self.subscription));
            }
        };
        Some(self.frame(item))
    }

    fn frame(&mut self, Item { position, line }: Item) -> Bytes {
        match self.framing {
            Framing::Ndjson => line,
            Framing::Events => {
                // The line itself is shared with the other clients, not copied.
                self.frames.extend([line, Bytes::from_static(b"\n")]);
                format!("id: {position}\ndata: ").into()
            }
        }
    }
}

/// Moves the client's position past the records that its filter left out, too.
fn sign_of_life(subscription: &Subscription) -> Bytes {
    format!(": keep-alive\nid: {}\n\n", subscription.position()).into()
}
