//! The client that an agent asks the API server with, made anew when it may be out of date.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio::time::Instant;

use crate::kube::api::{self, ApiError};

/// Files are not read again sooner.
const PAUSE: Duration = Duration::from_secs(5);

/// The way to the API server, as the files say now: tokens and certificates are renewed, and the server may move. What one
/// renews is new for all clones.
///
/// A client reads a token's file again by itself, but only once a minute, and a certificate's never.
#[derive(Clone)]
pub struct Way(Arc<Mutex<Made>>);

struct Made {
    client: Client,
    at: Instant,
    from: Origin,
}

#[derive(Clone)]
enum Origin {
    /// The settings of [`client`](crate::kube::api::client).
    Settings(Option<PathBuf>),
    /// A client that stays.
    Client,
}

impl Way {
    /// Connects to nothing yet; see [`client`](crate::kube::api::client).
    ///
    /// # Errors
    /// When there are no settings, or they can't be used.
    pub async fn new(kubeconfig: Option<&Path>) -> Result<Self, ApiError> {
        let client = api::client(kubeconfig).await?;
        Ok(Self::made(client, Origin::Settings(kubeconfig.map(Into::into))))
    }

    fn made(client: Client, from: Origin) -> Self {
        Self(Arc::new(Mutex::new(Made { client, at: Instant::now(), from })))
    }

    /// The newest.
    pub(crate) fn client(&self) -> Client {
        self.lock().client.clone()
    }

    /// Reads the files again, unless that was done just now. For whoever was refused, or found nobody.
    pub(crate) async fn renew(&self) {
        let Some(kubeconfig) = self.due() else { return };
        match api::client(kubeconfig.as_deref()).await {
            Ok(client) => self.lock().client = client,
            Err(error) => tracing::debug!(%error, "the old way to the API server stays"),
        }
    }

    /// The settings, if they may be read again.
    fn due(&self) -> Option<Option<PathBuf>> {
        let mut made = self.lock();
        let Origin::Settings(kubeconfig) = made.from.clone() else { return None };
        (made.at.elapsed() >= PAUSE).then(|| {
            made.at = Instant::now();
            kubeconfig
        })
    }

    /// A panic while holding the lock leaves nothing half-done.
    fn lock(&self) -> MutexGuard<'_, Made> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Client> for Way {
    /// A way that stays.
    fn from(client: Client) -> Self {
        Self::made(client, Origin::Client)
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use axum::{Json, Router};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    /// An API server of one answer: its version.
    async fn server(name: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let version = move || async move { Json(json!({ "name": name })) };
        let router = Router::new().route("/version", get(version));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn kubeconfig(path: &Path, server: &str) {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": server}}],
            "users": [{"name": "it", "user": {}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        });
        std::fs::write(path, config.to_string()).unwrap();
    }

    async fn who(client: Client) -> String {
        let request = http::Request::get("/version").body(Vec::new()).unwrap();
        client.request::<serde_json::Value>(request).await.unwrap()["name"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn what_is_renewed_is_new_for_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        kubeconfig(&path, &server("old").await);
        let way = Way::new(Some(&path)).await.unwrap();
        let other = way.clone();
        kubeconfig(&path, &server("new").await);
        way.renew().await;
        assert_eq!(who(other.client()).await, "old", "it was made just now");
        way.lock().at -= PAUSE;
        way.renew().await;
        assert_eq!(who(other.client()).await, "new");
        std::fs::write(&path, "{").unwrap();
        way.lock().at -= PAUSE;
        way.renew().await;
        assert_eq!(who(way.client()).await, "new", "a file that can't be used changes nothing");
    }
}
