//! Bodies on their way to the client.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;

use super::faults::{Asked, Fault, Faults, Stage};
use super::forward::Body;

/// Bytes at a time while it is slow.
const MORSEL: usize = 64;

/// The beginning of an event that never ends.
const HALF_A_LINE: &str = r#"{"type":"MODIFIED","object":{"kind":"#;

struct Passing {
    asked: Asked,
    upstream: Incoming,
    faults: Arc<Faults>,
    changed: watch::Receiver<()>,
    /// Received bytes that are still to be sent.
    pending: VecDeque<Bytes>,
    pause: Option<Duration>,
    then: Then,
}

/// The action after the pending bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    More,
    End,
    Break,
    Nothing,
}

pub(super) fn body(asked: Asked, upstream: Incoming, faults: Arc<Faults>) -> Body {
    let changed = faults.subscribe();
    let pending = VecDeque::new();
    let mut passing = Passing { asked, upstream, faults, changed, pending, pause: None, then: Then::More };
    passing.look();
    let frames = stream::unfold(passing, |mut passing| async move {
        let frame = passing.next().await?;
        Some((frame.map(Frame::data), passing))
    });
    StreamBody::new(frames).boxed_unsync()
}

impl Passing {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                if let Some(pause) = self.pause {
                    sleep(pause).await;
                }
                return Some(Ok(bytes));
            }
            match self.then {
                Then::More => {}
                Then::End => return None,
                Then::Break => {
                    // hyper sends its buffer while it waits for more; at an error it drops the buffer.
                    tokio::task::yield_now().await;
                    return Some(Err(io::Error::other("a fault of the test")));
                }
                Then::Nothing => return pending().await,
            }
            self.receive().await;
        }
    }

    /// The next piece from the server, or a fault.
    async fn receive(&mut self) {
        tokio::select! {
            biased;
            _ = self.changed.changed() => self.look(),
            frame = self.upstream.frame() => match frame {
                Some(Ok(frame)) => self.pending.extend(frame.into_data().map(|data| self.morsels(&data)).unwrap_or_default()),
                Some(Err(_)) => self.then = Then::Break,
                None => self.then = Then::End,
            },
        }
    }

    /// Is true when a fault affects this stream.
    fn look(&mut self) {
        match self.faults.befalls(&self.asked, Stage::Body) {
            Some(Fault::Gone) => self.finish(&gone(), Then::End),
            Some(Fault::Cut) => self.finish(HALF_A_LINE, Then::Break),
            Some(Fault::Freeze) => self.then = Then::Nothing,
            Some(Fault::Line(line)) => self.pending.push_back(line),
            Some(Fault::Slow(pause)) => self.pause = Some(pause),
            Some(Fault::Status(..) | Fault::Silence | Fault::Listed(_)) | None => {}
        }
    }

    fn finish(&mut self, last: &str, then: Then) {
        self.pending.push_back(Bytes::copy_from_slice(last.as_bytes()));
        self.then = then;
    }

    fn morsels(&self, data: &Bytes) -> Vec<Bytes> {
        match self.pause {
            Some(_) => data.chunks(MORSEL).map(|chunk| data.slice_ref(chunk)).collect(),
            None => vec![data.clone()],
        }
    }
}

fn gone() -> String {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version: 1 (2)", "reason": "Expired", "code": 410,
    });
    format!("{}\n", json!({"type": "ERROR", "object": status}))
}
