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
    /// The time at which the files were read.
    at: Instant,
    from: Origin,
}

/// The origin of the client.
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
    /// Fails when there are no settings, or they can't be used.
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
mod tests;
