//! The Kubernetes API as a source: `--cluster kube`.
//!
//! One task a kind lists and watches, and hands converted objects to the one task that owns the index. A kind that can't
//! be had costs no other: what is known of it stays, and it is asked for again.

mod change;
mod failure;
mod follow;
mod kind;
mod list;
mod owner;
#[cfg(test)]
mod tests;
mod wait;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::inventory::Inventory;
use flow_objects::Loaded;
use kube::Client;
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use follow::{Follower, Slices};
use kind::KINDS;
use owner::Owner;

pub use crate::kube::access::Way;
pub use crate::kube::api::{ApiError, client};
pub(super) use crate::kube::api::{client_of, config};

/// Objects between the watches and the index. Full, the watches wait, and the API server buffers.
const QUEUE: usize = 1_024;

/// How patient the source is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Longest wait before the server is asked again for what failed, is forbidden or doesn't exist.
    pub retry: Duration,
    /// Silence after which a watch is opened anew. Servers send a bookmark about every minute, but old ones (1.20) none
    /// while a kind doesn't change.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { retry: Duration::from_secs(30), silence: Duration::from_secs(90) }
    }
}

/// Whether what is known of a kind is what the API server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sync {
    /// It was listed and is watched.
    Synced,
    /// The server doesn't have this kind.
    Absent,
    /// What was known last stays.
    Stale(Stale),
}

/// Why a kind isn't followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// For people.
    pub why: ArcStr,
    /// The server doesn't know the agent (any more), so this is about every kind and won't pass by itself.
    pub refused: bool,
}

/// Takes a kind and its state.
pub type SyncHook = dyn Fn(&'static str, &Sync) + Send;

/// Whom to tell.
pub struct Hooks {
    /// A kind's state changed.
    pub sync: Box<SyncHook>,
    /// Every kind was listed, or can't be for now: the first picture is out.
    pub ready: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// Follows the API server into `tx`, until `cancel`. It may be gone, also at the start: that is told by `hooks` and logged.
pub fn spawn(
    way: &Way,
    patience: Patience,
    tx: channel::Sender<Arc<Inventory>>,
    hooks: Hooks,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let (to, changes) = mpsc::channel(QUEUE);
    let slices = Slices::new();
    for kind in &KINDS {
        let follower = Follower::new(kind, way.clone(), patience, to.clone(), slices.clone(), cancel.clone());
        tasks.spawn(follower.run());
    }
    tasks.spawn(Owner::new(tx, hooks).run(changes, cancel.clone()));
}

/// Reads everything once.
///
/// # Errors
/// With the kinds that could not be read, when pods or namespaces are among them, or nothing answers within `limit`.
pub async fn load(client: &Client, limit: Duration) -> Result<Loaded, LoadError> {
    let (tx, mut rx) = channel::channel(Arc::new(Inventory::default()));
    let (done, ready) = tokio::sync::oneshot::channel();
    let failed: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&failed);
    let hooks = Hooks {
        sync: Box::new(move |kind, sync| {
            if let Sync::Stale(Stale { why, .. }) = sync {
                told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(format!("{kind}: {why}"));
            }
        }),
        ready: Box::new(move || done.send(()).unwrap_or_default()),
    };
    let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
    let _end = cancel.clone().drop_guard();
    spawn(&client.clone().into(), Patience::default(), tx, hooks, &tasks, &cancel);
    let answered = tokio::time::timeout(limit, ready).await.is_ok();
    let failed = std::mem::take(&mut *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    let inventory = Arc::clone(&rx.borrow_and_update());
    if !answered || inventory.namespaces.is_empty() {
        let first = failed.into_iter().next().unwrap_or_else(|| format!("no answer within {limit:?}"));
        return Err(LoadError(first));
    }
    let message = |message| flow_objects::Problem { file: "the API server".into(), line: 0, message };
    Ok(Loaded { inventory, problems: failed.into_iter().map(message).collect() })
}

/// The API server could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the API server can't be read: {0}")]
pub struct LoadError(String);
