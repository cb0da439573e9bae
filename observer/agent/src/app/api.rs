//! The one way to the API server that all parts share.

use tokio::sync::OnceCell;

use crate::commands::config::Options;
use crate::kube::access::ApiAccess;
use crate::kube::api::ApiError;

/// Made when the first part asks for it: not every agent has an API server.
#[derive(Debug, Default)]
pub(super) struct Api(OnceCell<ApiAccess>);

impl Api {
    pub(super) async fn way(&self, options: &Options) -> Result<ApiAccess, ApiError> {
        self.0.get_or_try_init(|| ApiAccess::new(options.kubeconfig.as_deref())).await.cloned()
    }
}
