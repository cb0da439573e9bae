//! A kind's changes, as lines of JSON.

use std::time::Duration;

use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::api::WatchParams;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

use super::failure::Failure;
use super::kind::Kind;
use super::list::send;

/// Longer than any object that etcd takes (1.5 MiB by default).
const MAX_LINE: usize = 16 << 20;

/// The server ends a watch after so many seconds; which spreads the agents over time. kube allows up to 295.
const SECONDS: std::ops::Range<u32> = 200..290;

/// What a watch says.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    /// Added or modified.
    Apply(Value),
    Delete(Value),
    /// Nothing changed up to here.
    Bookmark,
}

/// One open watch.
pub(super) struct Watch {
    lines: std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<String, LinesCodecError>> + Send>>,
    silence: Duration,
    /// Up to which everything was told.
    pub(super) version: String,
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    object: Value,
}

impl Watch {
    /// Opens it after a version.
    pub(super) async fn open(
        client: &Client,
        kind: &Kind,
        version: String,
        silence: Duration,
    ) -> Result<Self, Failure> {
        let mut params = WatchParams::default().timeout(fastrand::u32(SECONDS));
        params.field_selector = kind.fields.map(Into::into);
        let request = kind.request();
        let request = match kind.metadata_only {
            true => request.watch_metadata(&params, &version),
            false => request.watch(&params, &version),
        };
        let body = send(client, request.map_err(|e| Failure::Other(e.to_string()))?).await?;
        let chunks = body.into_data_stream().map(|chunk| chunk.map_err(std::io::Error::other));
        let codec = LinesCodec::new_with_max_length(MAX_LINE);
        let lines = FramedRead::new(StreamReader::new(Box::pin(chunks)), codec);
        Ok(Self { lines: Box::pin(lines), silence, version })
    }

    /// The next event; `None` when the server ended the watch.
    pub(super) async fn next(&mut self) -> Option<Result<Event, Failure>> {
        loop {
            let line = match tokio::time::timeout(self.silence, self.lines.next()).await {
                Err(_) => return Some(Err(Failure::silent(self.silence))),
                Ok(None) => return None,
                // What is too long for us is passed over: the next event has a newer version.
                Ok(Some(Err(LinesCodecError::MaxLineLengthExceeded))) => continue,
                Ok(Some(Err(LinesCodecError::Io(error)))) => {
                    return Some(Err(Failure::Other(format!("the watch broke off: {error}"))));
                }
                Ok(Some(Ok(line))) => line,
            };
            if !line.trim().is_empty() {
                return Some(self.read(&line));
            }
        }
    }

    fn read(&mut self, line: &str) -> Result<Event, Failure> {
        let line: Line =
            serde_json::from_str(line).map_err(|e| Failure::Other(format!("the watch broke off: {e}")))?;
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
