//! Records whether the server has EndpointSlices.

use std::sync::Arc;

use flow_objects::kinds::Kind;
use tokio::sync::watch as channel;

/// Records whether the server has EndpointSlices. Endpoints are followed only while it has none.
#[derive(Clone, Debug)]
pub(super) struct Slices(Arc<channel::Sender<bool>>);

impl Slices {
    /// Begins with the assumption that the server has them.
    pub(super) fn new() -> Self {
        Self(Arc::new(channel::Sender::new(true)))
    }

    /// Records whether the server has a kind; only EndpointSlices matter.
    pub(super) fn set(&self, kind: Kind, available: bool) {
        if kind == Kind::EndpointSlice {
            self.0.send_if_modified(|known| std::mem::replace(known, available) != available);
        }
    }

    /// Waits until the server has them, or has none.
    pub(super) async fn wait_for(&self, available: bool) {
        // This value holds the sender, so the channel is open.
        self.0.subscribe().wait_for(|known| *known == available).await.map(drop).unwrap_or_default();
    }
}
