//! History in a log engine: what happened leaves the node as OpenTelemetry log records (OTLP over HTTP, protobuf, gzip).
//!
//! Two tasks do it. The first takes the entries that the sinks offer, turns them into encoded records and puts them into a
//! bounded queue; established connections wait in a table until their minute is over. The second sends the queue in batches, and
//! repeats what may succeed later. Neither makes the engine wait, and whatever is not delivered is counted.

mod attributes;
mod batch;
mod collect;
mod endpoint;
mod export;
mod headers;
mod id;
mod minutes;
mod queue;
mod records;
mod send;
#[cfg(test)]
mod testing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::sink::history::Entry;
use crate::sink::metrics::OtlpCounters;
use crate::tasks::Tasks;

pub use self::endpoint::{BaseUrl, Url, UrlError};
pub use self::export::{ExportError, Exporter};
pub use self::headers::{Headers, HeadersError, Pairs};

/// The bytes of records that wait, by default.
pub const QUEUE_BYTES: u32 = 8 << 20;

/// The length of the interval in which established connections of a pair become one record.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// The time limit of a request, by default.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// What a sender has to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address to which records are posted.
    pub url: Url,
    pub headers: Headers,
    /// The CA that signed the endpoint's certificate, if not one that the system trusts.
    pub ca_file: Option<PathBuf>,
    pub timeout: Duration,
    pub queue_bytes: usize,
    pub interval: Duration,
    pub node: ArcStr,
    /// More attributes of the resource, such as the cluster's name.
    pub resource: Vec<(String, String)>,
}

/// Starts to send the entries. Both tasks end soon after the entries do, or `cancel` is cancelled.
///
/// # Errors
/// Fails when certificates can't be read.
pub fn spawn(
    settings: &Settings,
    entries: mpsc::Receiver<Entry>,
    counters: OtlpCounters,
    tasks: &Tasks,
    cancel: CancellationToken,
) -> Result<(), ExportError> {
    let exporter = Exporter::new(settings)?;
    let waiting = Arc::new(queue::Waiting::new(settings.queue_bytes, counters));
    let collector = collect::Collector::new(settings.node.clone(), settings.interval, Arc::clone(&waiting));
    tasks.spawn(collector.run(entries));
    let envelope = batch::Envelope::new(&settings.node, &settings.resource);
    tasks.spawn(send::Sender::new(exporter, envelope, waiting, cancel).run());
    Ok(())
}
