//! The Kubernetes API as a source: `--cluster kube`.
//!
//! A task per kind lists and watches, and sends converted objects to the one task that owns the index. A failing kind
//! keeps its last objects and does not affect other kinds; requests for it are repeated. Policies of other projects, which
//! aren't judged, are followed where the server has their API group: no verdict on the pods that they may select is certain.

mod change;
mod changelog;
mod failure;
mod follow;
mod groups;
mod list;
mod once;
mod owner;
mod page;
mod resource;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod wait;
mod watch;

use std::sync::Arc;

use flow_model::inventory::Inventory;
use flow_objects::resource::Resource;
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;

use crate::kube::access::ApiAccess;
use crate::tasks::Tasks;
use follow::Follower;
use owner::Owner;

pub(crate) use once::problems;
pub use once::{LoadError, Reading, read};
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
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    follow_all(&Resource::all().collect::<Vec<_>>(), api, patience, tx, hooks, tasks, cancel);
}

fn follow_all(
    resources: &[Resource],
    api: &ApiAccess,
    patience: Patience,
    tx: channel::Sender<Arc<Inventory>>,
    hooks: Hooks,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    let (to, changes) = mpsc::channel(QUEUE);
    let (groups_tx, groups) = channel::channel(None);
    tasks.spawn(groups::follow(api.clone(), patience.retry, groups_tx, cancel.clone()));
    for resource in resources {
        let groups = groups.clone();
        let follower = Follower::new(*resource, groups, api.clone(), patience, to.clone(), cancel.clone());
        tasks.spawn(follower.run());
    }
    tasks.spawn(Owner::new(tx, hooks, resources.len()).run(changes, cancel.clone()));
}
