//! The Kubernetes API as a source: `--cluster kube`.
//!
//! A task per kind lists and watches, and sends converted objects to the one task that owns the index. A failing kind
//! keeps its last objects and does not affect other kinds; requests for it are repeated.

mod change;
mod changelog;
mod failure;
mod follow;
mod list;
mod owner;
mod page;
mod resource;
mod state;
#[cfg(test)]
mod tests;
mod wait;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flow_model::inventory::Inventory;
use flow_objects::Loaded;
use flow_objects::kinds::Kind;
use flow_objects::problem::{Extent, Problem};
use kube::Client;
use parking_lot::Mutex;
use strum::IntoEnumIterator as _;
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::kube::access::ApiAccess;
use follow::Follower;
use owner::Owner;

pub use state::{Hooks, Patience, Stale, Sync, SyncHook};

/// Most objects between the watches and the index. While the queue is full the watches wait, and the API server buffers.
const QUEUE: usize = 1_024;

/// Follows the API server into `tx`, until `cancel`. The server may be unavailable, also at the start: that is reported through
/// `hooks` and logged.
pub fn spawn(
    api: &ApiAccess,
    patience: Patience,
    tx: channel::Sender<Arc<Inventory>>,
    hooks: Hooks,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let (to, changes) = mpsc::channel(QUEUE);
    for kind in Kind::iter() {
        let follower = Follower::new(kind, api.clone(), patience, to.clone(), cancel.clone());
        tasks.spawn(follower.run());
    }
    tasks.spawn(Owner::new(tx, hooks).run(changes, cancel.clone()));
}

/// Reads everything once.
///
/// # Errors
/// Fails when namespaces can't be read, with the first reason, or when nothing answers within `limit`.
pub async fn load(client: &Client, limit: Duration) -> Result<Loaded, LoadError> {
    let (tx, mut rx) = channel::channel(Arc::new(Inventory::default()));
    let (done, ready) = tokio::sync::oneshot::channel();
    let failed: Arc<Mutex<Vec<String>>> = Arc::default();
    let failures = Arc::clone(&failed);
    let hooks = Hooks {
        sync: Box::new(move |kind, sync| {
            if let Sync::Stale(Stale { why, .. }) = sync {
                failures.lock().push(format!("{kind}: {why}"));
            }
        }),
        ready: Box::new(move || done.send(()).unwrap_or_default()),
    };
    let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
    let _end = cancel.clone().drop_guard();
    spawn(&client.clone().into(), Patience::default(), tx, hooks, &tasks, &cancel);
    let answered = tokio::time::timeout(limit, ready).await.is_ok();
    let failed = std::mem::take(&mut *failed.lock());
    let inventory = Arc::clone(&rx.borrow_and_update());
    if !answered || inventory.namespaces.is_empty() {
        let first = failed.into_iter().next().unwrap_or_else(|| format!("no answer within {limit:?}"));
        return Err(LoadError(first));
    }
    let problem = |message| Problem::of_file(Path::new("the API server"), Extent::Unreadable, message);
    Ok(Loaded { inventory, problems: failed.into_iter().map(problem).collect::<Vec<_>>() })
}

/// The reason why the API server could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the API server can't be read: {0}")]
pub struct LoadError(String);
