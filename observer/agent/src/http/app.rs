//! The state that the handlers share.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::http::limits::{Limits, Places};
use crate::sink::Shared;

/// The state that each handler gets.
#[derive(Clone)]
pub(super) struct App {
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    pub(super) streams: Places,
    /// Ends the streams.
    pub(super) cancel: CancellationToken,
    /// Silence after which a stream of events sends a sign of life.
    pub(super) keep_alive: Duration,
}
