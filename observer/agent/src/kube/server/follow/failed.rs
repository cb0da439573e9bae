//! Decides what a failure means for the kind.

use flow_objects::kinds::Presence;

use crate::kube::server::failure::Failure;
use crate::kube::server::follow::Follower;
use crate::kube::server::resource::Endpoint;
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

    /// Asks whether the server has the kind. A request for a kind that doesn't exist may be forbidden.
    async fn exists(&mut self) -> bool {
        match self.endpoint().await {
            Ok(endpoint) => self.lists(&endpoint).await.unwrap_or(true),
            Err(failure) => failure != Failure::Absent,
        }
    }

    /// Asks whether the server has the kind in this version, which every account may.
    pub(super) async fn lists(&self, endpoint: &Endpoint) -> Result<bool, Failure> {
        let request = http::Request::get(endpoint.discovery()).body(Vec::new());
        let request = request.map_err(|e| Failure::Other(e.to_string()))?;
        match self.api.client().request::<serde_json::Value>(request).await {
            Ok(list) => {
                let kinds = list["resources"].as_array().into_iter().flatten();
                Ok(kinds.into_iter().any(|resource| resource["name"] == self.resource.plural()))
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
