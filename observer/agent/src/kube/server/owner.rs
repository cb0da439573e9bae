//! The only writer of the index. It gathers changes from the watches, and publishes snapshots.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use flow_model::inventory::Inventory;
use flow_model::object_ref::ObjectRef;
use flow_objects::Index;
use flow_objects::resource::Resource;
use lru::LruCache;
use tokio::sync::{mpsc, watch as channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::kube::server::change::Change;
use crate::kube::server::changelog::Changelog;
use crate::kube::server::state::{Hooks, Sync};
use crate::tasks::blocking;

/// Changes closer together than this make one snapshot.
const GATHER: Duration = Duration::from_millis(100);

/// Making snapshots takes at most one part of the time in this number.
const SHARE: u32 = 10;

/// States that change together are logged together.
const LOG_AFTER: Duration = Duration::from_millis(700);

/// At most this many notes are remembered, so that each is logged once.
const NOTES: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// The owner of the index.
pub(super) struct Owner {
    index: Index,
    kinds: usize,
    tx: channel::Sender<Arc<Inventory>>,
    hooks: Hooks,
    first: Option<Box<dyn FnOnce() + Send>>,
    states: BTreeMap<Resource, Sync>,
    /// These kinds were listed at least once, or the server doesn't have them.
    known: HashSet<Resource>,
    /// These objects can't be used; `None` stands for one without a name.
    unreadable: HashSet<(Resource, Option<ObjectRef>)>,
    /// These notes were logged.
    noted: LruCache<String, ()>,
    changelog: Changelog,
    /// The time at which the next snapshot is due.
    publish_at: Option<Instant>,
    log_at: Option<Instant>,
    /// No snapshot is made before that.
    rest_until: Instant,
}

impl Owner {
    /// An owner of an empty index, which learns of so many kinds.
    pub(super) fn new(tx: channel::Sender<Arc<Inventory>>, mut hooks: Hooks, kinds: usize) -> Self {
        let first = std::mem::replace(&mut hooks.ready, Box::new(|| {}));
        Self {
            index: Index::default(),
            kinds,
            tx,
            hooks,
            first: Some(first),
            states: BTreeMap::new(),
            known: HashSet::new(),
            unreadable: HashSet::new(),
            noted: LruCache::new(NOTES),
            changelog: Changelog::default(),
            publish_at: None,
            log_at: None,
            rest_until: Instant::now(),
        }
    }

    /// Takes changes until the agent stops.
    pub(super) async fn run(mut self, mut changes: mpsc::Receiver<Change>, cancel: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            let (publish_at, log_at) = (self.publish_at, self.log_at);
            tokio::select! {
                () = cancel.cancelled() => return,
                n = changes.recv_many(&mut batch, 256) => {
                    if n == 0 {
                        return;
                    }
                    batch.drain(..).for_each(|change| self.take(change));
                }
                () = at(publish_at) => self = self.publish().await,
                () = at(log_at) => self.log(),
            }
        }
    }

    fn take(&mut self, change: Change) {
        let changed = match change {
            Change::Apply(resource, object) => {
                let readable = self.readable(resource, &object.id.object);
                self.index.apply(object) || readable
            }
            Change::Delete(kind, key) => self.readable(kind, &key) | self.index.delete(kind, &key),
            Change::Unreadable(kind, key) => {
                let gone = key.as_ref().is_some_and(|key| self.index.delete(kind, key));
                self.unreadable.insert((kind, key)) || gone
            }
            Change::Listing(kind) => {
                self.unreadable.retain(|(other, _)| *other != kind);
                false
            }
            Change::Listed(kind, keys) => {
                self.index.retain(kind, &keys);
                self.known.insert(kind);
                true
            }
            Change::Sync(kind, sync) => self.sync(kind, sync),
            Change::Note(note) => {
                if self.noted.put(note.clone(), ()).is_none() {
                    tracing::warn!("{note}");
                }
                false
            }
        };
        if changed && self.publish_at.is_none() && self.is_settled() {
            self.publish_at = Some((Instant::now() + GATHER).max(self.rest_until));
        }
    }

    /// Forgets that an object can't be used. Returns true if it could not.
    fn readable(&mut self, kind: Resource, key: &ObjectRef) -> bool {
        !self.unreadable.is_empty() && self.unreadable.remove(&(kind, Some(key.clone())))
    }

    /// Takes the state of a kind. Returns true if it changes the snapshot.
    fn sync(&mut self, kind: Resource, sync: Sync) -> bool {
        if self.states.get(&kind) == Some(&sync) {
            return false;
        }
        match &sync {
            Sync::Synced => self.index.set_missing(kind, None),
            Sync::Absent => {
                self.index.forget(kind);
                self.index.set_missing(kind, None);
                self.known.insert(kind);
            }
            Sync::Stale(stale) if !self.known.contains(&kind) => {
                self.index.set_missing(kind, Some(stale.why.clone()));
            }
            Sync::Stale(_) => {}
        }
        (self.hooks.sync)(kind.name(), &sync);
        self.states.insert(kind, sync);
        self.log_at.get_or_insert_with(|| Instant::now() + LOG_AFTER);
        true
    }

    /// Is true when each kind was listed, or it is known why not. A snapshot before that would lack names and policies.
    fn is_settled(&self) -> bool {
        self.states.len() == self.kinds
    }

    async fn publish(mut self) -> Self {
        self.publish_at = None;
        self.index.set_unreadable(self.unreadable.len() as u64);
        let (started, mut index) = (Instant::now(), std::mem::take(&mut self.index));
        // Ten thousand pods take a while, for which other tasks of this thread must not wait.
        let inventory;
        (self.index, inventory) = blocking(move || {
            let inventory = index.publish();
            (index, inventory)
        })
        .await;
        if let Some(inventory) = inventory {
            self.tx.send_replace(inventory);
        }
        if let Some(first) = self.first.take() {
            first();
        }
        let now = Instant::now();
        self.rest_until = now + (now - started) * SHARE;
        self
    }

    fn log(&mut self) {
        self.log_at = None;
        self.changelog.log(&self.states);
    }
}

/// Waits until then; forever without a time.
async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
