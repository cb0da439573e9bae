//! The stream of one node, read by a task of its own.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;

use crate::client::error::ClientError;
use crate::client::follow::{Follower, Selection};
use crate::client::merge::Source;
use crate::client::target::Target;

/// Records of one agent that may wait to be merged. At this limit the agent is not read until one leaves.
pub(super) const MAX_WAITING: usize = 4_096;
const RETRY: Duration = Duration::from_secs(2);

/// A report of a node's task.
pub(super) enum NodeEvent {
    Record(Record),
    /// The replay has ended, and the live stream is open.
    Live,
    /// The agent can't be read for now, with the reason.
    Missing(String),
    /// The end of a replay that is not followed.
    End,
}

/// A record that waits to be merged. It holds a place among [`MAX_WAITING`].
pub(super) struct Record {
    pub(super) line: String,
    pub(super) time: Option<Timestamp>,
    _place: OwnedSemaphorePermit,
}

#[derive(Deserialize)]
struct Timed {
    time: Timestamp,
}

/// Reads one agent and sends what it yields.
pub(super) struct Node<N> {
    pub(super) source: Source,
    pub(super) target: Target,
    pub(super) selection: Selection,
    pub(super) to: mpsc::UnboundedSender<(Source, NodeEvent)>,
    pub(super) notes: N,
}

impl<N: Write + Clone + Send + Sync> Node<N> {
    /// Reads until the stream ends, or forever if it is followed.
    pub(super) async fn run(self) {
        let places = Arc::new(Semaphore::new(MAX_WAITING));
        let mut follower = Follower::new(self.target.clone(), self.selection.clone(), self.notes.clone());
        let mut reported = false;
        while let Err(error) = self.read(&mut follower, &places).await {
            if !std::mem::replace(&mut reported, true) {
                self.send(NodeEvent::Missing(error.to_string()));
            }
            if !self.selection.follow {
                break;
            }
            sleep(RETRY).await;
        }
        self.send(NodeEvent::End);
    }

    /// Reads the replay up to its end, then live records from the same place on.
    async fn read(&self, follower: &mut Follower<N>, places: &Arc<Semaphore>) -> Result<(), ClientError> {
        if self.selection.since.is_some() && !follower.has_replayed() {
            follower.replay();
            self.records(follower, places).await?;
        }
        if !self.selection.follow {
            return Ok(());
        }
        follower.continue_live();
        follower.begin().await?;
        self.send(NodeEvent::Live);
        self.records(follower, places).await
    }

    async fn records(&self, follower: &mut Follower<N>, places: &Arc<Semaphore>) -> Result<(), ClientError> {
        while let Some(line) = follower.next().await? {
            let time = serde_json::from_str(&line).map(|Timed { time }| time).ok();
            follower.printed(time);
            // An error would mean that the semaphore is closed, which nothing does.
            let Ok(place) = Arc::clone(places).acquire_owned().await else { return Ok(()) };
            self.send(NodeEvent::Record(Record { line, time, _place: place }));
        }
        Ok(())
    }

    fn send(&self, event: NodeEvent) {
        // The receiver is closed when the command ends.
        self.to.send((self.source, event)).ok();
    }
}
