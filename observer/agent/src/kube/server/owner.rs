//! The one writer of the index: gathers what the watches tell, and publishes pictures.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::inventory::Inventory;
use flow_model::object_ref::ObjectRef;
use flow_objects::Index;
use lru::LruCache;
use tokio::sync::{mpsc, watch as channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::kube::server::change::Change;
use crate::kube::server::kind::KINDS;
use crate::kube::server::{Hooks, Stale, Sync};

/// Changes closer together than this make one picture.
const GATHER: Duration = Duration::from_millis(100);

/// Of our time, making pictures may take one part in so many.
const SHARE: u32 = 10;

/// States that change together are logged together.
const LOG_AFTER: Duration = Duration::from_millis(700);

const NOTES: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

pub(super) struct Owner {
    index: Index,
    tx: channel::Sender<Arc<Inventory>>,
    hooks: Hooks,
    first: Option<Box<dyn FnOnce() + Send>>,
    states: BTreeMap<&'static str, Sync>,
    /// Kinds that were listed at least once, or that the server said it doesn't have.
    known: HashSet<&'static str>,
    unreadable: HashSet<(&'static str, Option<ObjectRef>)>,
    /// Notes that were logged.
    noted: LruCache<String, ()>,
    /// As logged last.
    logged: BTreeMap<&'static str, Sync>,
    /// When the next picture is due.
    publish_at: Option<Instant>,
    log_at: Option<Instant>,
    /// No picture before that.
    rest_until: Instant,
}

impl Owner {
    pub(super) fn new(tx: channel::Sender<Arc<Inventory>>, mut hooks: Hooks) -> Self {
        let first = std::mem::replace(&mut hooks.ready, Box::new(|| {}));
        Self {
            index: Index::default(),
            tx,
            hooks,
            first: Some(first),
            states: BTreeMap::new(),
            known: HashSet::new(),
            unreadable: HashSet::new(),
            noted: LruCache::new(NOTES),
            logged: BTreeMap::new(),
            publish_at: None,
            log_at: None,
            rest_until: Instant::now(),
        }
    }

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
            Change::Apply(object) => {
                let kind = KINDS.iter().find(|kind| *kind.name == *object.kind);
                let readable = kind.is_some_and(|kind| self.readable(kind.name, &object.key));
                self.index.apply(object) || readable
            }
            Change::Delete(kind, key) => self.readable(kind.name, &key) | self.index.delete(kind.name, &key),
            Change::Unreadable(kind, key) => {
                let gone = key.as_ref().is_some_and(|key| self.index.delete(kind.name, key));
                self.unreadable.insert((kind.name, key)) || gone
            }
            Change::Listing(kind) => {
                self.unreadable.retain(|(name, _)| *name != kind.name);
                false
            }
            Change::Listed(kind, keys) => {
                self.index.retain(kind.name, &keys);
                self.known.insert(kind.name);
                true
            }
            Change::Sync(kind, sync) => self.sync(kind.name, sync),
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

    fn readable(&mut self, kind: &'static str, key: &ObjectRef) -> bool {
        !self.unreadable.is_empty() && self.unreadable.remove(&(kind, Some(key.clone())))
    }

    /// True if the picture changes with it.
    fn sync(&mut self, kind: &'static str, sync: Sync) -> bool {
        if self.states.get(kind) == Some(&sync) {
            return false;
        }
        match &sync {
            Sync::Synced => self.index.set_missing(kind, None),
            Sync::Absent => {
                self.index.forget(kind);
                self.index.set_missing(kind, None);
                self.known.insert(kind);
            }
            Sync::Stale(stale) if !self.known.contains(kind) => {
                self.index.set_missing(kind, Some(stale.why.clone()));
            }
            Sync::Stale(_) => {}
        }
        (self.hooks.sync)(kind, &sync);
        self.states.insert(kind, sync);
        self.log_at.get_or_insert_with(|| Instant::now() + LOG_AFTER);
        true
    }

    /// Each kind was listed, or it is known why not. A picture before that would lack names, and worse, policies.
    fn is_settled(&self) -> bool {
        self.states.len() == KINDS.len()
    }

    async fn publish(mut self) -> Self {
        self.publish_at = None;
        self.index.set_unreadable(self.unreadable.len() as u64);
        let (started, mut index) = (Instant::now(), std::mem::take(&mut self.index));
        // Ten thousand pods take a while; other tasks of this thread need not wait.
        let made = tokio::task::spawn_blocking(move || {
            let inventory = index.publish();
            (index, inventory)
        });
        match made.await {
            Ok((index, inventory)) => {
                self.index = index;
                if let Some(inventory) = inventory {
                    self.tx.send_replace(inventory);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the picture of the cluster could not be made; it begins anew");
            }
        }
        if let Some(first) = self.first.take() {
            first();
        }
        let now = Instant::now();
        self.rest_until = now + (now - started) * SHARE;
        self
    }

    /// One line for what became stale, and one when that is over.
    fn log(&mut self) {
        self.log_at = None;
        let mut stale: HashMap<&ArcStr, Vec<&str>> = HashMap::new();
        let (mut recovered, mut absent) = (Vec::new(), Vec::new());
        for (kind, sync) in &self.states {
            let before = self.logged.get(kind);
            match sync {
                Sync::Stale(now) if self.is_news(before, now) => {
                    stale.entry(&now.why).or_default().push(kind);
                }
                Sync::Synced if before.is_some_and(|before| *before != Sync::Synced) => recovered.push(*kind),
                Sync::Absent if before == Some(&Sync::Synced) => absent.push(*kind),
                _ => {}
            }
        }
        for (why, kinds) in stale {
            let kinds = kinds.join(", ");
            tracing::warn!("the API server can't be followed; what is known of {kinds} stays: {why}");
        }
        if !recovered.is_empty() {
            tracing::info!("the API server is followed again: {}", recovered.join(", "));
        }
        if !absent.is_empty() {
            tracing::info!("the API server no longer has {}", absent.join(", "));
        }
        self.logged.clone_from(&self.states);
    }

    /// One trouble may come after the other. The next is told, once, if it won't pass by itself: a server that started again
    /// may know the agent no more.
    fn is_news(&self, before: Option<&Sync>, now: &Stale) -> bool {
        let told = || self.logged.values().any(|sync| matches!(sync, Sync::Stale(stale) if stale.refused));
        !matches!(before, Some(Sync::Stale(_))) || (now.refused && !told())
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
