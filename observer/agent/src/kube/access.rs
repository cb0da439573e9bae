//! The client with which an agent asks the API server. It is replaced when it may be out of date.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::kube::api::{self, ApiError};

/// The shortest time between two readings of the files.
const PAUSE: Duration = Duration::from_secs(5);

/// Access to the API server by the settings that the files hold now: tokens and certificates are renewed, and the server may
/// move. All clones share the client, so that a renewal by one is a renewal for all.
///
/// A client reads a token's file again by itself, but only once a minute, and it never reads a certificate again.
#[derive(Clone)]
pub struct ApiAccess(Arc<Mutex<Current>>);

struct Current {
    client: Client,
    /// When the files were read.
    at: Instant,
    from: Origin,
}

/// Where the client comes from.
#[derive(Clone)]
enum Origin {
    /// The settings of [`client`](crate::kube::api::client).
    Settings(Option<PathBuf>),
    /// A client that is never replaced.
    Client,
}

impl ApiAccess {
    /// Makes a client, which connects to nothing yet; see [`client`](crate::kube::api::client).
    ///
    /// # Errors
    /// When there are no settings, or they can't be used.
    pub async fn new(kubeconfig: Option<&Path>) -> Result<Self, ApiError> {
        let client = api::client(kubeconfig).await?;
        Ok(Self::of_client(client, Origin::Settings(kubeconfig.map(Into::into))))
    }

    fn of_client(client: Client, from: Origin) -> Self {
        Self(Arc::new(Mutex::new(Current { client, at: Instant::now(), from })))
    }

    /// Returns the newest client.
    pub(crate) fn client(&self) -> Client {
        self.0.lock().client.clone()
    }

    /// Reads the files again, unless they were read a moment ago. Callers do so when the server refused them or didn't answer.
    pub(crate) async fn renew(&self) {
        let Some(kubeconfig) = self.due() else { return };
        match api::client(kubeconfig.as_deref()).await {
            Ok(client) => self.0.lock().client = client,
            Err(error) => {
                tracing::debug!(%error, "the API server's settings can't be read again; the old ones stay");
            }
        }
    }

    /// Returns the settings if they may be read again.
    fn due(&self) -> Option<Option<PathBuf>> {
        let mut current = self.0.lock();
        let Origin::Settings(kubeconfig) = current.from.clone() else { return None };
        (current.at.elapsed() >= PAUSE).then(|| {
            current.at = Instant::now();
            kubeconfig
        })
    }
}

impl From<Client> for ApiAccess {
    /// Takes a client that is never replaced.
    fn from(client: Client) -> Self {
        Self::of_client(client, Origin::Client)
    }
}

impl fmt::Debug for ApiAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiAccess").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use axum::{Json, Router};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    /// Starts an API server that answers with its name only.
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
    async fn a_renewal_is_seen_by_all_clones() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        kubeconfig(&path, &server("old").await);
        let access = ApiAccess::new(Some(&path)).await.unwrap();
        let other = access.clone();
        kubeconfig(&path, &server("new").await);
        access.renew().await;
        assert_eq!(who(other.client()).await, "old", "it was made just now");
        access.0.lock().at -= PAUSE;
        access.renew().await;
        assert_eq!(who(other.client()).await, "new");
        std::fs::write(&path, "{").unwrap();
        access.0.lock().at -= PAUSE;
        access.renew().await;
        assert_eq!(who(access.client()).await, "new", "a file that can't be used changes nothing");
    }
}
