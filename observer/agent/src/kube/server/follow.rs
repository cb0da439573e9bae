//! Follows one kind for as long as the agent runs: lists, watches, and continues where that broke off.

mod failed;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use flow_model::object_ref::ObjectRef;
use flow_objects::resource::Resource;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch as channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::kube::access::ApiAccess;
use crate::kube::server::change::{self, Change};
use crate::kube::server::failure::Failure;
use crate::kube::server::groups::Groups;
use crate::kube::server::list::{self, From};
use crate::kube::server::resource::Endpoint;
use crate::kube::server::state::{Patience, Sync};
use crate::kube::server::wait::{Wait, spread};
use crate::kube::server::watch::{Event, Watch};

/// The longest wait at the start, so that requests for all kinds don't come at once.
const START: Duration = Duration::from_millis(200);

/// A watch that was open for longer than this counts as a success.
const SERVED: Duration = Duration::from_secs(5);

/// Follows one kind.
pub(super) struct Follower {
    resource: Resource,
    groups: channel::Receiver<Groups>,
    api: ApiAccess,
    patience: Patience,
    to: mpsc::Sender<Change>,
    cancel: CancellationToken,
    wait: Wait,
    from: From,
    /// The version from which to watch; `None` before the first list.
    version: Option<String>,
}

impl Follower {
    /// A follower that has not begun.
    pub(super) fn new(
        resource: Resource,
        groups: channel::Receiver<Groups>,
        api: ApiAccess,
        patience: Patience,
        to: mpsc::Sender<Change>,
        cancel: CancellationToken,
    ) -> Self {
        let wait = Wait::new(patience.retry);
        Self { resource, groups, api, patience, to, cancel, wait, from: From::Cache, version: None }
    }

    /// Follows the kind until the agent stops.
    pub(super) async fn run(mut self) {
        let cancel = self.cancel.clone();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.follow() => {}
        }
    }

    /// Returns when nothing receives the changes.
    async fn follow(&mut self) {
        tokio::time::sleep(spread(START)).await;
        loop {
            let Err(failure) = self.round().await else { continue };
            if failure == Failure::Stopped || !self.report(&failure).await {
                return;
            }
            let time = self.wait.after(&failure);
            self.pause(time).await;
            if matches!(failure, Failure::Unauthorized(_) | Failure::Other(_)) {
                self.api.renew().await;
            }
        }
    }

    /// Waits before the next round. Policies of other projects are asked for at once when the server's groups change.
    async fn pause(&mut self, time: Duration) {
        let is_foreign = matches!(self.resource, Resource::Foreign(_));
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            Ok(()) = self.groups.changed(), if is_foreign => {}
        }
    }

    /// Lists if necessary, then watches until that ends.
    async fn round(&mut self) -> Result<(), Failure> {
        let endpoint = self.endpoint().await.inspect_err(|failure| self.forget_version(failure))?;
        let version = match self.version.take() {
            Some(version) => version,
            None => self.list(&endpoint).await?,
        };
        self.version = Some(version.clone());
        let watch = Watch::open(&self.api.client(), &endpoint, version, self.patience.silence).await;
        let mut watch = watch.inspect_err(|failure| self.forget_version(failure))?;
        self.synced().await?;
        let opened = Instant::now();
        let broken = loop {
            match watch.next().await {
                Some(Ok(event)) => self.take(&endpoint, event).await?,
                Some(Err(failure)) => break Some(failure),
                None => break None,
            }
            self.version = Some(watch.version.clone());
        };
        self.ended(broken, opened.elapsed() > SERVED).await
    }

    /// Decides what the end of a watch means. A watch that served is opened again at once, and only if that fails it is a
    /// failure. After one that ended as soon as it was open there is a wait, so that the follower doesn't spin.
    async fn ended(&mut self, broken: Option<Failure>, served: bool) -> Result<(), Failure> {
        match broken {
            Some(failure @ Failure::Other(_)) if served => {
                tracing::debug!(kind = self.resource.name(), "{failure}");
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

    /// Returns where the server has the resource. It decides in which version it has the policies of other projects.
    async fn endpoint(&mut self) -> Result<Endpoint, Failure> {
        let kind = match self.resource {
            Resource::Known(kind) => return Ok(Endpoint::known(kind)),
            Resource::Foreign(kind) => kind,
        };
        self.groups.wait_for(Option::is_some).await.map_err(|_| Failure::Stopped)?;
        let groups = self.groups.borrow_and_update().clone().ok_or(Failure::Absent)??;
        if kind.shown_from().is_some_and(|stored| groups.contains_key(stored)) {
            return Err(Failure::Absent);
        }
        for version in groups.get(kind.group()).ok_or(Failure::Absent)? {
            let endpoint = Endpoint::in_version(self.resource, version);
            if self.lists(&endpoint).await? {
                return Ok(endpoint);
            }
        }
        Err(Failure::Absent)
    }

    async fn list(&mut self, endpoint: &Endpoint) -> Result<String, Failure> {
        self.send(Change::Listing(self.resource)).await?;
        let keys: Arc<Mutex<HashSet<ObjectRef>>> = Arc::default();
        let (to, of, all) = (self.to.clone(), endpoint.clone(), Arc::clone(&keys));
        let item = move |value| {
            let (key, changes) = change::applied(&of, value);
            all.lock().extend(key);
            changes.into_iter().all(|change| to.blocking_send(change).is_ok())
        };
        let version = list::all(&self.api.client(), endpoint, self.from, &self.cancel, item).await?;
        let keys = std::mem::take(&mut *keys.lock());
        self.send(Change::Listed(self.resource, keys)).await?;
        Ok(version)
    }

    /// Reports that the kind was listed and a watch is open.
    async fn synced(&mut self) -> Result<(), Failure> {
        self.from = From::Cache;
        self.send(Change::Sync(self.resource, Sync::Synced)).await
    }

    async fn take(&self, endpoint: &Endpoint, event: Event) -> Result<(), Failure> {
        match event {
            Event::Apply(value) => {
                for change in change::applied(endpoint, value).1 {
                    self.send(change).await?;
                }
            }
            Event::Delete(value) => {
                if let Some(change) = change::deleted(endpoint, value) {
                    self.send(change).await?;
                }
            }
            Event::Bookmark => {}
        }
        Ok(())
    }

    /// Makes the next round list again, after failures that no watch can continue from.
    fn forget_version(&mut self, failure: &Failure) {
        if matches!(failure, Failure::Expired | Failure::Absent) {
            self.version = None;
            self.from = From::Store;
        }
    }

    async fn send_state(&self, sync: Sync) -> bool {
        self.send(Change::Sync(self.resource, sync)).await.is_ok()
    }

    async fn send(&self, change: Change) -> Result<(), Failure> {
        self.to.send(change).await.map_err(|_| Failure::Stopped)
    }
}
