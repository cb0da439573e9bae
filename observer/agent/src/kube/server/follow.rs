//! One kind, for as long as the agent runs: list, watch, and begin again where that broke off.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flow_model::object_ref::ObjectRef;
use tokio::sync::{mpsc, watch as channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::kube::access::Way;
use crate::kube::server::change::{self, Change};
use crate::kube::server::failure::Failure;
use crate::kube::server::kind::{ENDPOINTS, Kind, SLICES};
use crate::kube::server::list::{self, From};
use crate::kube::server::wait::{Wait, spread};
use crate::kube::server::watch::{Event, Watch};
use crate::kube::server::{Patience, Sync};

/// Kinds are not all asked for in the same moment.
const START: Duration = Duration::from_millis(200);

/// A watch that was open for so long served.
const SERVED: Duration = Duration::from_secs(5);

/// Whether the server has EndpointSlices: if not, Endpoints are followed.
#[derive(Clone, Debug)]
pub(super) struct Slices(Arc<channel::Sender<bool>>);

pub(super) struct Follower {
    kind: &'static Kind,
    way: Way,
    patience: Patience,
    to: mpsc::Sender<Change>,
    slices: Slices,
    cancel: CancellationToken,
    wait: Wait,
    from: From,
    /// Where to watch from; `None` before the first list.
    version: Option<String>,
}

impl Slices {
    pub(super) fn new() -> Self {
        Self(Arc::new(channel::Sender::new(true)))
    }

    fn set(&self, kind: &Kind, there: bool) {
        if kind.name == SLICES {
            self.0.send_if_modified(|known| std::mem::replace(known, there) != there);
        }
    }

    async fn wait_for(&self, there: bool) {
        // The sender is ours: it can't be gone.
        self.0.subscribe().wait_for(|known| *known == there).await.map(drop).unwrap_or_default();
    }
}

impl Follower {
    pub(super) fn new(
        kind: &'static Kind,
        way: Way,
        patience: Patience,
        to: mpsc::Sender<Change>,
        slices: Slices,
        cancel: CancellationToken,
    ) -> Self {
        let wait = Wait::new(patience.retry);
        Self { kind, way, patience, to, slices, cancel, wait, from: From::Cache, version: None }
    }

    pub(super) async fn run(mut self) {
        let cancel = self.cancel.clone();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.follow() => {}
        }
    }

    /// Returns when nobody listens any more.
    async fn follow(&mut self) {
        tokio::time::sleep(spread(START)).await;
        let slices = self.slices.clone();
        loop {
            if self.kind.name != ENDPOINTS {
                return self.rounds().await;
            }
            if !self.tell(Sync::Absent).await {
                return;
            }
            slices.wait_for(false).await;
            tokio::select! {
                () = self.rounds() => return,
                () = slices.wait_for(true) => self.version = None,
            }
        }
    }

    async fn rounds(&mut self) {
        loop {
            let Err(failure) = self.round().await else { continue };
            if failure == Failure::Stopped || !self.report(&failure).await {
                return;
            }
            tokio::time::sleep(self.wait.after(&failure)).await;
            if matches!(failure, Failure::Unauthorized(_) | Failure::Other(_)) {
                self.way.renew().await;
            }
        }
    }

    /// Lists if need be, then watches until that ends.
    async fn round(&mut self) -> Result<(), Failure> {
        let version = match self.version.take() {
            Some(version) => version,
            None => self.list().await?,
        };
        self.version = Some(version.clone());
        let watch = Watch::open(&self.way.client(), self.kind, version, self.patience.silence).await;
        let mut watch = watch.inspect_err(|failure| self.forget_version(failure))?;
        self.synced().await?;
        let opened = Instant::now();
        let broken = loop {
            match watch.next().await {
                Some(Ok(event)) => self.take(event).await?,
                Some(Err(failure)) => break Some(failure),
                None => break None,
            }
            self.version = Some(watch.version.clone());
        };
        self.ended(broken, opened.elapsed() > SERVED).await
    }

    /// A watch that served is made anew at once, and it is no failure unless that fails. One that ends as soon as it is
    /// open must not make us run in circles.
    async fn ended(&mut self, broken: Option<Failure>, served: bool) -> Result<(), Failure> {
        match broken {
            Some(failure @ Failure::Other(_)) if served => {
                tracing::debug!(kind = self.kind.name, "{failure}");
            }
            Some(Failure::Quiet(_)) => {}
            Some(failure) => {
                self.forget_version(&failure);
                return Err(failure);
            }
            None if served => {}
            None => {
                let wait = self.wait.after(&Failure::Other(String::new()));
                tokio::time::sleep(wait).await;
                return Ok(());
            }
        }
        self.wait.reset();
        Ok(())
    }

    async fn list(&mut self) -> Result<String, Failure> {
        self.send(Change::Listing(self.kind)).await?;
        let keys: Arc<Mutex<HashSet<ObjectRef>>> = Arc::default();
        let (to, kind, all) = (self.to.clone(), self.kind, Arc::clone(&keys));
        let item = move |value| {
            let (key, changes) = change::applied(kind, value);
            lock(&all).extend(key);
            changes.into_iter().all(|change| to.blocking_send(change).is_ok())
        };
        let version = list::all(&self.way.client(), self.kind, self.from, &self.cancel, item).await?;
        let keys = std::mem::take(&mut *lock(&keys));
        self.send(Change::Listed(self.kind, keys)).await?;
        Ok(version)
    }

    /// Listed, and a watch is open.
    async fn synced(&mut self) -> Result<(), Failure> {
        self.from = From::Cache;
        self.slices.set(self.kind, true);
        self.send(Change::Sync(self.kind, Sync::Synced)).await
    }

    async fn take(&self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Apply(value) => {
                for change in change::applied(self.kind, value).1 {
                    self.send(change).await?;
                }
            }
            Event::Delete(value) => {
                if let Some(change) = change::deleted(self.kind, value) {
                    self.send(change).await?;
                }
            }
            Event::Bookmark => {}
        }
        Ok(())
    }

    /// After these a watch can't go on from where it was.
    fn forget_version(&mut self, failure: &Failure) {
        if matches!(failure, Failure::Expired | Failure::Absent) {
            self.version = None;
            self.from = From::Store;
        }
    }

    /// Says what the failure means; false when nobody listens.
    async fn report(&mut self, failure: &Failure) -> bool {
        match failure {
            // The next list says whether anything is wrong.
            Failure::Expired => true,
            Failure::Absent if self.kind.optional => self.absent().await,
            Failure::Forbidden(_) if self.kind.optional && self.version.is_none() && !self.exists().await => {
                self.absent().await
            }
            _ => self.tell(Sync::Stale(failure.into())).await,
        }
    }

    async fn absent(&mut self) -> bool {
        self.version = None;
        self.slices.set(self.kind, false);
        self.tell(Sync::Absent).await
    }

    /// An account may be forbidden what there isn't. Everybody may ask what there is.
    async fn exists(&self) -> bool {
        let request = http::Request::get(self.kind.discovery()).body(Vec::new());
        let Ok(request) = request else { return true };
        match self.way.client().request::<serde_json::Value>(request).await {
            Ok(list) => {
                let kinds = list["resources"].as_array().into_iter().flatten();
                kinds.into_iter().any(|resource| resource["name"] == self.kind.plural)
            }
            Err(kube::Error::Api(status)) => status.code != 404,
            Err(_) => true,
        }
    }

    async fn tell(&self, sync: Sync) -> bool {
        self.send(Change::Sync(self.kind, sync)).await.is_ok()
    }

    async fn send(&self, change: Change) -> Result<(), Failure> {
        self.to.send(change).await.map_err(|_| Failure::Stopped)
    }
}

/// A panic while holding the lock leaves nothing half-done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
