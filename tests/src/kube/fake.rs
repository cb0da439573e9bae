//! A small API server over real HTTP, for features that Debian's Kubernetes 1.20 lacks: `discovery.k8s.io/v1`, port
//! ranges, streamed lists.
//!
//! It has no rights, no validation and no defaults, and only the test writes to it. The same tests run on it and on a
//! real server.

mod answer;
mod discovery;
mod kinds;
mod query;
mod serve;
mod store;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde_json::Value;

pub use self::kinds::Kind;
use self::store::Store;
pub use self::watch::Lists;
use super::kubeconfig::{Kubeconfig, User};
use super::kubectl::Kubectl;
use super::place::Place;
use super::runtime::Runtime;
use super::server;

/// The state that the fake's connections share.
#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    /// Notifies watches that the store changed.
    changed: tokio::sync::watch::Sender<()>,
    lists: Lists,
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fake API server. Dropping it closes its port and connections.
#[derive(Debug)]
pub struct FakeApi {
    shared: Arc<Shared>,
    place: Place,
    dir: PathBuf,
    at: SocketAddr,
    _runtime: Runtime,
}

impl FakeApi {
    /// Starts one on a free port, with the kinds of a cluster without CRDs. `dir` keeps its kubeconfig.
    ///
    /// # Errors
    /// Fails when the server can't listen, or its kubeconfig can't be written.
    pub fn start(place: &Place, dir: &Path, lists: Lists) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let store = Mutex::new(Store::new(kinds::built_in()));
        let shared = Arc::new(Shared { store, changed: tokio::sync::watch::Sender::new(()), lists });
        let listener = place.listen(0)?;
        let at = listener.local_addr()?;
        let runtime = Runtime::start(place)?;
        runtime.spawn(serve::accept(listener, Arc::clone(&shared)));
        let fake = Self { shared, place: place.clone(), dir: dir.to_owned(), at, _runtime: runtime };
        Kubeconfig { server: fake.url(), ca: None, user: User::Nobody }.write(&fake.kubeconfig())?;
        Ok(fake)
    }

    /// Returns the address, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Returns the address where it listens.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.at.port()))
    }

    /// Returns where it runs.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Returns a kubeconfig without credentials.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("fake.kubeconfig")
    }

    /// Returns kubectl. The fake supports only `get --raw`.
    #[must_use]
    pub fn as_admin(&self) -> Kubectl {
        let program = server::build().map_or_else(|_| "kubectl".into(), |build| build.join("bin/kubectl"));
        Kubectl::new(program, &self.place, &self.kubeconfig(), &self.dir.join("kubectl-fake"))
    }

    /// Creates an object or replaces it.
    ///
    /// # Errors
    /// Fails when the fake doesn't serve the object's kind.
    pub fn put(&self, object: Value) -> Result<()> {
        self.change(|store| store.put(object).context("a kind that the fake doesn't serve"))
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// Fails when there is no such object.
    pub fn remove(&self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        self.change(|store| store.remove(kind, namespace, name).context("no such object"))
    }

    /// Forgets the versions until now.
    pub fn compact(&self) {
        self.change(Store::compact);
    }

    /// Serves a kind from now on, as after the installation of a CRD.
    pub fn install(&self, kind: Kind) {
        self.change(|store| store.install(kind));
    }

    /// Stops serving a kind, and deletes its objects first.
    pub fn uninstall(&self, group: &str, plural: &str) {
        self.change(|store| store.uninstall(group, plural));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let done = change(&mut self.shared.store());
        self.shared.changed.send_replace(());
        done
    }
}
