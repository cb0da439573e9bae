//! The live tail: bounded rooms of serialised records, and cursors into them.
//!
//! A record is serialised once. Subscribers hold only a position, so replay and follow are the same walk: no gap, no
//! duplicate between them. A subscriber that falls behind gets a `lost` record with the number that it missed; the
//! writer never waits for it.
//!
//! Each kind has a room of its own, so that frequent kinds never push out rare ones: a thousand attempts a second leave the
//! moves of a VIP where they are. A replay that reaches further back than a room begins with a `memory` record.

mod filter;
mod position;
mod ring;
mod room;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::record::{Event, FlowRecord, Kind, Memory};
use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use strum::VariantArray;
use tokio::sync::watch;

use self::filter::Meta;
use self::ring::Ring;
use self::room::Size;

pub use filter::{Filter, PodName};
pub use position::Position;
pub use subscription::{Item, Subscription};

/// Bounds of the tail.
#[derive(Clone, Debug)]
pub struct TailConfig {
    /// Attempts kept for `since`.
    pub max_records: usize,
    /// Memory of the attempts kept, bytes, bookkeeping included.
    pub max_bytes: usize,
    /// Readers at one time.
    pub max_clients: usize,
}

impl Default for TailConfig {
    fn default() -> Self {
        Self { max_records: 65_536, max_bytes: 8 << 20, max_clients: 64 }
    }
}

impl TailConfig {
    /// Returns the room of a kind. A record takes up to 1 KiB, so an hour fits while there are no more than one reset, one drop
    /// and one move a second, and one change of a policy and one result of a check in three seconds.
    fn size(&self, kind: Kind) -> Size {
        let bytes = match kind {
            Kind::Attempt => return Size { records: self.max_records.max(1), bytes: self.max_bytes },
            Kind::Reset | Kind::Drop => 4 << 20,
            Kind::Announcement => 2 << 20,
            Kind::Check | Kind::PolicyChange => 1 << 20,
            Kind::Lost => 512 << 10,
            // Subscriptions make these; none is kept.
            Kind::Memory => 0,
        };
        Size { records: usize::MAX, bytes }
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
    /// Number of records that have arrived; its change wakes the readers.
    head: watch::Sender<u64>,
    /// Number of readers of each established attempt.
    readers: watch::Sender<usize>,
    node: ArcStr,
    started: Timestamp,
    instance: u64,
    max_clients: usize,
    counters: TailCounters,
}

impl Tail {
    /// Returns an empty tail. `node` is the node of its `lost` and `memory` records, `started` the start of the agent.
    #[must_use]
    pub fn new(config: &TailConfig, node: ArcStr, started: Timestamp, counters: TailCounters) -> Self {
        Self {
            head: watch::Sender::new(0),
            readers: watch::Sender::new(0),
            ring: Mutex::new(Ring::new(|kind| config.size(kind))),
            node,
            started,
            instance: instance(),
            max_clients: config.max_clients,
            counters,
        }
    }

    /// Returns the number of attempts that are kept.
    pub(super) fn attempts(&self) -> usize {
        self.ring.lock().len(Kind::Attempt)
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
        let arrived = self.ring.lock().push(line, Meta::of(record));
        self.head.send_replace(arrived);
    }

    /// Returns the record that a replay from `since` begins with, where it may lack some of the kinds selected.
    fn memory(&self, ring: &Ring, filter: &Filter, since: Timestamp) -> Option<FlowRecord> {
        let kept = Kind::VARIANTS.iter().filter(|kind| **kind != Kind::Memory && filter.selects(**kind));
        let begins = kept.map(|kind| (*kind, ring.incomplete(*kind).unwrap_or(self.started)));
        let begins: BTreeMap<_, _> = begins.filter(|(_, begin)| *begin >= since).collect();
        let event = Event::Memory(Memory { started: self.started, begins });
        let record = FlowRecord { time: since, node: self.node.clone(), event };
        matches!(&record.event, Event::Memory(memory) if !memory.begins.is_empty()).then_some(record)
    }

    /// Returns the number of those who follow each established attempt. While there is none, a record may stand for several.
    pub fn readers(&self) -> watch::Receiver<usize> {
        self.readers.subscribe()
    }

    /// Adds a reader that follows until the end.
    pub fn add_reader(&self) {
        self.readers.send_modify(|readers| *readers += 1);
    }

    fn remove_reader(&self) {
        self.readers.send_modify(|readers| *readers -= 1);
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
