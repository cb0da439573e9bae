//! The live tail: a bounded ring of serialised records, and cursors into it.
//!
//! A record is serialised once. Subscribers hold only a position, so replay and follow are the same walk: no gap, no
//! duplicate between them. A subscriber that falls behind the ring gets a `lost` record with the number that it missed;
//! the writer never waits for it.

mod filter;
mod ring;
mod subscription;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::record::FlowRecord;
use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;

use self::filter::Meta;
use self::ring::Ring;

pub use filter::{Filter, PodName};
pub use subscription::{Item, Subscription};

/// Bounds of the tail.
#[derive(Clone, Debug)]
pub struct TailConfig {
    /// Records kept for `since`.
    pub max_records: usize,
    /// Memory of the records kept, bytes, bookkeeping included.
    pub max_bytes: usize,
    /// Readers at one time.
    pub max_clients: usize,
}

impl Default for TailConfig {
    fn default() -> Self {
        Self { max_records: 65_536, max_bytes: 8 << 20, max_clients: 64 }
    }
}

/// The place where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Only records that come later.
    Now,
    /// Records of this time and later, as far as the ring reaches back.
    Since(Timestamp),
    /// Right after this position. If it belongs to another run of the agent, everything in the ring is new to the
    /// reader, and the subscription begins at the time given, if any.
    After(Position, Option<Timestamp>),
}

/// A place in the tail of one run of one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    instance: u64,
    seq: u64,
}

/// The error for a reader beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} clients are reading already, which is the limit")]
pub struct TooManyClients(pub usize);

/// Counters that the tail keeps up to date.
#[derive(Clone, Debug, Default)]
pub struct TailCounters {
    /// Records that clients missed.
    pub lost: Counter,
    /// Readers connected.
    pub clients: Gauge,
}

/// The ring, and the signal that wakes its readers.
#[derive(Debug)]
pub struct Tail {
    ring: Mutex<Ring>,
    /// Sequence number of the next record; its change wakes the readers.
    head: watch::Sender<u64>,
    node: ArcStr,
    instance: u64,
    max_clients: usize,
    counters: TailCounters,
}

impl Tail {
    /// Returns an empty tail. `node` is the node of its `lost` records.
    #[must_use]
    pub fn new(config: &TailConfig, node: ArcStr, counters: TailCounters) -> Self {
        let ring = Ring::new(config.max_records.max(1), config.max_bytes);
        Self {
            head: watch::Sender::new(ring.next()),
            ring: Mutex::new(ring),
            node,
            instance: instance(),
            max_clients: config.max_clients,
            counters,
        }
    }

    /// Adds a record and wakes the readers. Only the one writer calls it; it never waits for a reader.
    pub fn push(&self, record: &FlowRecord) {
        let line = match serde_json::to_vec(record) {
            Ok(mut json) => {
                json.push(b'\n');
                json.into()
            }
            Err(error) => {
                tracing::error!(%error, "a flow record could not be written as JSON");
                return;
            }
        };
        let next = self.ring.lock().push(line, Meta::of(record));
        self.head.send_replace(next);
    }

    /// Returns a new reader. With `follow` it stays open for later records.
    ///
    /// # Errors
    /// Fails when the limit of readers is reached.
    pub fn subscribe(
        self: &Arc<Self>,
        filter: Filter,
        start: Start,
        follow: bool,
    ) -> Result<Subscription, TooManyClients> {
        Subscription::open(self, filter, start, follow)
    }
}

/// Returns a number that distinguishes this run, so that a position of an earlier run is not used in this one.
fn instance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one((std::process::id(), Timestamp::now()))
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{}", self.instance, self.seq)
    }
}

impl std::str::FromStr for Position {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        s.split_once('-')
            .and_then(|(instance, seq)| {
                Some(Self { instance: u64::from_str_radix(instance, 16).ok()?, seq: seq.parse().ok()? })
            })
            .ok_or_else(|| format!("`{s}` is not a position of the tail"))
    }
}
