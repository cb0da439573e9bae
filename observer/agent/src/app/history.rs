//! Sends the history to a log engine: connects the sinks with `otlp`.

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::config::Options;
use crate::otlp;
use crate::sink::{Shared, Sinks};
use crate::tasks::Tasks;

/// Entries that wait for the task. It takes them at once, however slow the endpoint is.
const QUEUE: usize = 8_192;

/// Starts to send the history, if there is an endpoint for it.
pub(super) fn start(
    options: &Options,
    sinks: &mut Sinks,
    shared: &Shared,
    tasks: &Tasks,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(settings) = options.otlp.settings(shared.node()) else { return Ok(()) };
    let endpoint = settings.url.to_string();
    let entries = sinks.feed_history(QUEUE);
    otlp::spawn(&settings, entries, shared.metrics.otlp_counters(), tasks, cancel.clone())
        .context("the history can't be sent")?;
    info!(%endpoint, "the history is sent");
    Ok(())
}
