//! The agent's tasks. A panic in one ends the agent, as the failure of a required part does: the others stop in order, the
//! programs leave the kernel, and the exit code says that something failed. An agent that went on without one of its parts
//! would look healthy and report wrong numbers.
//!
//! Requests are not among these tasks. A panic in one ends its connection only, because a client must not be able to end the
//! agent.

use std::panic::{Location, resume_unwind};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

/// Starts tasks and waits for their end. Clones share the tasks.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Tasks {
    /// Makes a group of tasks in which a panic cancels `cancel`.
    #[must_use]
    pub fn new(cancel: &CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), cancel: cancel.clone() }
    }

    /// Starts a task.
    #[track_caller]
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let watch = PanicWatch { cancel: self.cancel.clone(), started_at: Location::caller() };
        self.tracker.spawn(async move {
            let _watch = watch;
            task.await;
        });
    }

    /// Waits until every task has ended. No task is started afterwards.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Lives as long as its task.
struct PanicWatch {
    cancel: CancellationToken,
    started_at: &'static Location<'static>,
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!(task = %self.started_at, "a task panicked, which is a defect; the agent stops");
            self.cancel.cancel();
        }
    }
}

/// Does blocking work on a thread for it. A panic there continues in the calling task.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => resume_unwind(panic),
        // The runtime is ending, and this task with it.
        Err(Err(_)) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
