//! Settings of the API server: the pod's own account, or a kubeconfig.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::kube::words;

/// Opening a connection may take this long. Some addresses drop packets.
const CONNECT: Duration = Duration::from_secs(10);

/// After this silence a connection counts as dead. Watches ask for bookmarks, which come about every minute.
const READ: Duration = Duration::from_secs(150);

/// The reason why no client could be made. No request has been sent yet.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The named file can't be used.
    #[error("the kubeconfig {} can't be used: {}", path.display(), words::of_kubeconfig(why))]
    Kubeconfig {
        /// The path as given.
        path: PathBuf,
        /// The library's error. It is no `source`, because its text holds its own causes.
        why: Box<kube::config::KubeconfigError>,
    },
    /// There is neither a ServiceAccount nor a kubeconfig in its usual places.
    #[error(
        "no way to the API server: this is no pod with a ServiceAccount ({in_cluster}), and there is no usable kubeconfig \
         ({}); give --kubeconfig FILE, on a k3s server /etc/rancher/k3s/k3s.yaml",
        words::of_kubeconfig(local)
    )]
    Nowhere {
        /// The reason why the ServiceAccount can't be used.
        in_cluster: Box<kube::config::InClusterError>,
        /// The reason why the kubeconfig can't be used.
        local: Box<kube::config::KubeconfigError>,
    },
    /// Certificates or keys can't be used.
    #[error("the API server's settings can't be used: {}", words::of_request(.0))]
    Client(Box<kube::Error>),
}

/// Connects to nothing yet. Without `kubeconfig`, a pod's ServiceAccount goes first, then `$KUBECONFIG` and
/// `~/.kube/config`.
///
/// # Errors
/// Fails when there are no settings, or they can't be used.
pub async fn client(kubeconfig: Option<&Path>) -> Result<Client, ApiError> {
    client_of(config(kubeconfig).await?)
}

/// Makes a client from settings, with the limits above.
pub(crate) fn client_of(mut config: Config) -> Result<Client, ApiError> {
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(READ);
    // Callers decide how long to wait.
    config.default_retry = false;
    Client::try_from(config).map_err(|e| ApiError::Client(e.into()))
}

/// Reads the settings for [`client`].
pub(crate) async fn config(kubeconfig: Option<&Path>) -> Result<Config, ApiError> {
    if let Some(path) = kubeconfig {
        return from_file(path)
            .await
            .map_err(|why| ApiError::Kubeconfig { path: path.to_owned(), why: why.into() });
    }
    let in_cluster = match Config::incluster() {
        Ok(config) => return Ok(config),
        Err(error) => error.into(),
    };
    Config::from_kubeconfig(&KubeConfigOptions::default())
        .await
        .map_err(|local| ApiError::Nowhere { in_cluster, local: local.into() })
}

async fn from_file(path: &Path) -> Result<Config, kube::config::KubeconfigError> {
    Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &KubeConfigOptions::default()).await
}

#[cfg(test)]
mod tests;
