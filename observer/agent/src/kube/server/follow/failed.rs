//! Decides what a failure means for the kind.

use flow_objects::kinds::Presence;

use crate::kube::server::failure::Failure;
use crate::kube::server::follow::Follower;
use crate::kube::server::state::Sync;

impl Follower {
    /// Reports what the failure means for the kind. Returns false when nothing receives it.
    pub(super) async fn report(&mut self, failure: &Failure) -> bool {
        match failure {
            // The next list shows whether anything is wrong.
            Failure::Expired => true,
            Failure::Absent if self.is_optional() => self.absent().await,
            Failure::Forbidden(_) if self.is_optional() && self.version.is_none() && !self.exists().await => {
                self.absent().await
            }
            _ => self.send_state(Sync::Stale(failure.into())).await,
        }
    }

    fn is_optional(&self) -> bool {
        self.resource.presence() == Presence::Optional
    }

    async fn absent(&mut self) -> bool {
        self.version = None;
        self.send_state(Sync::Absent).await
    }

    /// Asks whether the server has the kind, which every account may. A request for a kind that doesn't exist may be forbidden.
    async fn exists(&mut self) -> bool {
        // Without an answer it may exist.
        let Ok(endpoint) = self.endpoint().await else { return true };
        let request = http::Request::get(endpoint.discovery()).body(Vec::new());
        let Ok(request) = request else { return true };
        match self.api.client().request::<serde_json::Value>(request).await {
            Ok(list) => {
                let kinds = list["resources"].as_array().into_iter().flatten();
                kinds.into_iter().any(|resource| resource["name"] == self.resource.plural())
            }
            Err(kube::Error::Api(status)) => status.code != 404,
            Err(_) => true,
        }
    }
}
