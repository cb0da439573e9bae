//! The records of all agents as one stream of events for the page.

use std::convert::Infallible;
use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::client::follow::{Follower, Selection};
use crate::client::nodes;
use crate::client::print::record_lines::RecordSink;
use crate::client::target::Target;
use crate::commands::ui::shown::{Shown, Source};
use crate::filter;
use crate::http::Failure;

/// Records that may wait for the browser. Beyond it they are counted as lost, so that a slow page holds up nothing.
const ROOM: usize = 8_192;
/// Silence after which a sign of life is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Length of a note, in bytes.
const MAX_NOTE: usize = 4_096;
/// Events that are written together.
const TOGETHER: usize = 256;

/// Answers with server-sent events until the browser ends them.
pub(super) async fn get(State(shown): State<Shown>, uri: Uri) -> Result<Response, Failure> {
    let selection = selection(&uri)?;
    let (to, events) = mpsc::channel(ROOM);
    let reader = read(shown.source, selection, Sink { to: to.clone(), lost: 0 }, Notes::new(to));
    let reader = tokio::spawn(reader).abort_handle();
    let stream = Stream { events, cancel: shown.cancel, _reader: Reader(reader), first: true };
    let body = Body::from_stream(stream::unfold(stream, |mut stream| async move {
        let frame = stream.next().await?;
        Some((Ok::<_, Infallible>(frame), stream))
    }));
    Ok(([(CONTENT_TYPE, "text/event-stream")], body).into_response())
}

/// Reads the parameters, which are those of an agent.
fn selection(uri: &Uri) -> Result<Selection, Failure> {
    let Ok(Query(parameters)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Err(Failure::bad_request("the query can't be read"));
    };
    let known: Vec<&'static str> =
        ["namespace", "pod", "kind", "outcome"].into_iter().chain(filter::names()).collect();
    let mut selection = Selection { follow: true, ..Selection::default() };
    for (name, value) in parameters {
        match (name.as_str(), known.iter().find(|known| **known == name)) {
            ("since", _) => selection.since = Some(value),
            ("follow", _) => selection.follow = value != "false",
            (_, Some(known)) => selection.filters.push((known, value)),
            (_, None) => return Err(Failure::bad_request(format!("unknown parameter `{name}`"))),
        }
    }
    Ok(selection)
}

/// Gives the records to `out` until there are no more, or nobody reads them. An error becomes the last note.
async fn read(source: Source, selection: Selection, mut out: Sink, mut notes: Notes) {
    let read = match source {
        Source::All(fleet) => nodes::run(&fleet, &selection, out, notes.clone()).await,
        Source::One(target) => one(target, selection, &mut out, notes.clone()).await,
    };
    if let Err(error) = read {
        writeln!(notes, "{error:#}").ok();
    }
}

async fn one(target: Target, selection: Selection, out: &mut Sink, notes: Notes) -> anyhow::Result<()> {
    let mut follower = Follower::new(target, selection, notes);
    while let Some(line) = follower.next().await? {
        let time = out.line(&line)?;
        follower.printed(time);
    }
    Ok(())
}

/// Takes records for the page.
struct Sink {
    to: mpsc::Sender<Bytes>,
    /// Records that found no room since the last one that did.
    lost: u64,
}

#[derive(Deserialize)]
struct Timed {
    time: Timestamp,
}

impl RecordSink for Sink {
    fn line(&mut self, json: &str) -> io::Result<Option<Timestamp>> {
        if self.to.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = self.to.capacity();
        if room == 0 {
            self.lost += 1;
        } else if self.lost > 0 && room > 1 {
            let time = Timestamp::now();
            let lost = format!(
                r#"{{"time":"{time}","node":"","kind":"lost","lost":{},"stage":"client"}}"#,
                std::mem::take(&mut self.lost)
            );
            self.to.try_send(event("", &lost)).ok();
        }
        if room > 0 && self.to.try_send(event("", json)).is_err() {
            self.lost += 1;
        }
        Ok(serde_json::from_str(json).map(|Timed { time }| time).ok())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.to.is_closed() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

/// Takes notes, such as that a node is missing. Each line is an event of its own kind.
#[derive(Clone)]
struct Notes {
    to: mpsc::Sender<Bytes>,
    /// The line so far: a note is written in pieces.
    line: Vec<u8>,
}

impl Notes {
    fn new(to: mpsc::Sender<Bytes>) -> Self {
        Self { to, line: Vec::new() }
    }

    fn send(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim().trim_start_matches("flow-observer: ");
        if !line.is_empty() {
            // A note that finds no room is less than the records before it.
            self.to.try_send(event("note", line)).ok();
        }
    }
}

impl Write for Notes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if *byte == b'\n' || self.line.len() >= MAX_NOTE {
                self.send();
            } else {
                self.line.push(*byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn event(kind: &str, data: &str) -> Bytes {
    let kind = if kind.is_empty() { String::new() } else { format!("event: {kind}\n") };
    // A record is one line; a line break in anything else would begin another field.
    let data = data.replace(['\r', '\n'], " ");
    format!("{kind}data: {data}\n\n").into()
}

/// Ends the reading when the browser goes away.
struct Reader(AbortHandle);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Stream {
    events: mpsc::Receiver<Bytes>,
    cancel: CancellationToken,
    _reader: Reader,
    first: bool,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.first) {
            return Some(Bytes::from_static(b"retry: 1000\n\n"));
        }
        let mut together = Vec::new();
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => return None,
            got = self.events.recv_many(&mut together, TOGETHER) => if got == 0 { return None },
            () = tokio::time::sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b": keep-alive\n\n")),
        }
        Some(Bytes::from(together.concat()))
    }
}

#[cfg(test)]
mod tests;
