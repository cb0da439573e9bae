//! The changes of a kind, which come as lines of JSON.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use flow_objects::kinds::Content;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::api::WatchParams;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};
use tokio_util::io::StreamReader;

use crate::kube::server::failure::Failure;
use crate::kube::server::list::send;
use crate::kube::server::resource::Endpoint;

/// The length of the longest line. It is longer than any object that etcd takes (1.5 MiB by default).
const MAX_LINE: usize = 16 << 20;

/// The server ends a watch after a random number of seconds in this range, which spreads the agents over time. kube allows
/// up to 295.
const SECONDS: std::ops::Range<u32> = 200..290;

/// An event of a watch.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    /// An object was added or modified.
    Apply(Value),
    /// An object was deleted.
    Delete(Value),
    /// Nothing changed up to this version.
    Bookmark,
}

/// An open watch.
pub(super) struct Watch {
    lines: Lines<Pin<Box<dyn AsyncBufRead + Send>>>,
    silence: Duration,
    /// The version up to which all events were read.
    pub(super) version: String,
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    object: Value,
}

impl Watch {
    /// Opens a watch that begins after a version.
    pub(super) async fn open(
        client: &Client,
        of: &Endpoint,
        version: String,
        silence: Duration,
    ) -> Result<Self, Failure> {
        let mut params = WatchParams::default().timeout(fastrand::u32(SECONDS));
        params.field_selector = of.resource.field_selector().map(Into::into);
        let request = of.request();
        let request = match of.resource.content() {
            Content::Metadata => request.watch_metadata(&params, &version),
            Content::Whole => request.watch(&params, &version),
        };
        let body = send(client, request.map_err(|e| Failure::Other(e.to_string()))?).await?;
        let chunks = body.into_data_stream().map(|chunk| chunk.map_err(io::Error::other));
        let lines = Lines { reader: Box::pin(StreamReader::new(chunks)) as _, line: Vec::new() };
        Ok(Self { lines, silence, version })
    }

    /// Returns the next event; `None` when the server ended the watch.
    pub(super) async fn next(&mut self) -> Option<Result<Event, Failure>> {
        loop {
            let line = match tokio::time::timeout(self.silence, self.lines.next()).await {
                Err(_) => return Some(Err(Failure::Quiet(self.silence))),
                Ok(Ok(None)) => return None,
                Ok(Err(error)) => return Some(Err(Failure::Other(format!("the watch broke off: {error}")))),
                Ok(Ok(Some(line))) => line,
            };
            if !line.trim_ascii().is_empty() {
                return Some(self.read(&line));
            }
        }
    }

    fn read(&mut self, line: &[u8]) -> Result<Event, Failure> {
        let line: Line =
            serde_json::from_slice(line).map_err(|e| Failure::Other(format!("the watch broke off: {e}")))?;
        if line.r#type == "ERROR" {
            let code = line.object["code"].as_u64().and_then(|code| u16::try_from(code).ok());
            return Err(Failure::of_status(code.unwrap_or(500), Some(&line.object), None));
        }
        if let Some(version) = line.object["metadata"]["resourceVersion"].as_str() {
            version.clone_into(&mut self.version);
        }
        Ok(match &*line.r#type {
            "DELETED" => Event::Delete(line.object),
            "BOOKMARK" => Event::Bookmark,
            _ => Event::Apply(line.object),
        })
    }
}

/// Lines of a bounded length. A longer one is skipped: the next event has a newer version.
struct Lines<R> {
    reader: R,
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Returns the next line, also one that the end cuts; `None` at the end.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut too_long = false;
        loop {
            let chunk = self.reader.fill_buf().await?;
            let newline = chunk.iter().position(|byte| *byte == b'\n');
            let (part, taken) = newline.map_or((chunk, chunk.len()), |at| (&chunk[..at], at + 1));
            too_long |= self.line.len() + part.len() > MAX_LINE;
            match too_long {
                true => self.line.clear(),
                false => self.line.extend_from_slice(part),
            }
            self.reader.consume(taken);
            if newline.is_some() && too_long {
                too_long = false;
            } else if newline.is_some() || taken == 0 {
                let line = std::mem::take(&mut self.line);
                return Ok((newline.is_some() || !line.is_empty()).then_some(line));
            }
        }
    }
}
