//! A thread with an event loop, in the namespace of its sockets.

use std::future::Future;
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

use super::place::Place;

/// Dropping it ends every task on it, and so closes their connections.
#[derive(Debug)]
pub(super) struct Runtime {
    handle: Handle,
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Runtime {
    pub(super) fn start(place: &Place) -> Result<Self> {
        let end = CancellationToken::new();
        let (sender, receiver) = mpsc::channel();
        let ended = end.clone();
        let thread = place.spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(sender.send(Err(error))),
            };
            drop(sender.send(Ok(runtime.handle().clone())));
            runtime.block_on(ended.cancelled());
        });
        let handle = receiver.recv().context("the event loop ended")?.context("start an event loop")?;
        Ok(Self { handle, end, thread: Some(thread) })
    }

    /// Runs a task on it.
    pub(super) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.handle.spawn(task)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
