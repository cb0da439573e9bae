//! Findings for a reader that publishes them elsewhere, and may be slow.

use std::sync::Arc;

use flow_model::finding::Finding;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// The writing end of a bounded queue. The engine's task never waits for the reader.
#[derive(Debug)]
pub(in crate::sink) struct Feed {
    to: mpsc::Sender<Arc<Finding>>,
}

impl Feed {
    pub(in crate::sink) fn new(queue: usize) -> (Self, mpsc::Receiver<Arc<Finding>>) {
        let (to, findings) = mpsc::channel(queue.max(1));
        (Self { to }, findings)
    }

    /// Offers a finding, and returns false if the queue is full. A reader that has gone loses nothing.
    pub(in crate::sink) fn offer(&self, finding: Arc<Finding>) -> bool {
        !matches!(self.to.try_send(finding), Err(TrySendError::Full(_)))
    }
}

#[cfg(test)]
mod tests;
