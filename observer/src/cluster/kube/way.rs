//! The client of all kinds, made anew when it may be out of date.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Client;
use tokio::time::Instant;

use super::api::{self, ApiError};

/// Files are not read again sooner.
const PAUSE: Duration = Duration::from_secs(5);

/// The way to the API server, as the files say now: tokens and certificates are renewed, and the server may move.
///
/// A client reads a token's file again by itself, but only once a minute, and a certificate's never.
#[derive(Clone)]
pub struct Way {
    /// `None`: it stays as it is.
    from: Option<Arc<Source>>,
    made: Arc<Mutex<Made>>,
}

struct Source {
    kubeconfig: Option<PathBuf>,
}

struct Made {
    client: Client,
    at: Instant,
}

impl Way {
    /// Connects to nothing yet; see [`client`](super::client).
    ///
    /// # Errors
    /// When there are no settings, or they can't be used.
    pub async fn new(kubeconfig: Option<&Path>) -> Result<Self, ApiError> {
        let client = api::client(kubeconfig).await?;
        let source = Source { kubeconfig: kubeconfig.map(Into::into) };
        Ok(Self { from: Some(Arc::new(source)), ..Self::from(client) })
    }

    pub(super) fn client(&self) -> Client {
        self.lock().client.clone()
    }

    /// Reads the files again, unless that was done just now.
    pub(super) async fn renew(&self) {
        let Some(source) = &self.from else { return };
        {
            let mut made = self.lock();
            if made.at.elapsed() < PAUSE {
                return;
            }
            made.at = Instant::now();
        }
        match api::client(source.kubeconfig.as_deref()).await {
            Ok(client) => self.lock().client = client,
            Err(error) => tracing::debug!(%error, "the old way to the API server stays"),
        }
    }

    /// A panic while holding the lock leaves nothing half-done.
    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Client> for Way {
    /// A way that stays.
    fn from(client: Client) -> Self {
        Self { from: None, made: Arc::new(Mutex::new(Made { client, at: Instant::now() })) }
    }
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}
