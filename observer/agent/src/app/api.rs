//! The access to the API server that all parts share.

use tokio::sync::OnceCell;

use crate::config::Options;
use crate::kube::access::ApiAccess;
use crate::kube::api::ApiError;

/// Connects when the first part asks for it: not every agent has an API server.
#[derive(Debug, Default)]
pub(super) struct Api(OnceCell<ApiAccess>);

impl Api {
    /// Returns the shared access.
    ///
    /// # Errors
    /// Fails when there are no settings for an API server, or they can't be used.
    pub(super) async fn access(&self, options: &Options) -> Result<ApiAccess, ApiError> {
        self.0.get_or_try_init(|| ApiAccess::new(options.kubeconfig.as_deref())).await.cloned()
    }
}
