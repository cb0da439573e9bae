//! The access to the API server that all parts share.

use tokio::sync::OnceCell;

use crate::config::Options;
use crate::kube::access::Way;
use crate::kube::api::ApiError;

/// Connects when the first part asks for it: not every agent has an API server.
#[derive(Debug, Default)]
pub(super) struct Api(OnceCell<Way>);

impl Api {
    /// Returns the shared access.
    ///
    /// # Errors
    /// When there are no settings for an API server, or they can't be used.
    pub(super) async fn way(&self, options: &Options) -> Result<Way, ApiError> {
        self.0.get_or_try_init(|| Way::new(options.kubeconfig.as_deref())).await.cloned()
    }
}
