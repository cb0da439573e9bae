//! The task that turns entries into records. It never waits for the endpoint.

use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::flow::Outcome;
use flow_model::record::{Event, FlowRecord};
use jiff::Timestamp;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::otlp::minutes::{Connections, Minutes};
use crate::otlp::queue::{Lane, Waiting};
use crate::otlp::records;
use crate::sink::history::Entry;

/// Time between looks for intervals that are over.
const LOOK: Duration = Duration::from_secs(1);
/// Entries taken at a time.
const BATCH: usize = 256;

/// Turns entries into records.
#[derive(Debug)]
pub(super) struct Collector {
    node: ArcStr,
    minutes: Minutes,
    waiting: Arc<Waiting>,
}

impl Collector {
    pub(super) fn new(node: ArcStr, interval: Duration, waiting: Arc<Waiting>) -> Self {
        Self { node, minutes: Minutes::new(interval), waiting }
    }

    /// Runs until the entries end.
    pub(super) async fn run(mut self, mut entries: mpsc::Receiver<Entry>) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                n = entries.recv_many(&mut batch, BATCH) => {
                    if n == 0 {
                        break;
                    }
                    batch.drain(..).for_each(|entry| self.take(&entry));
                }
                _ = looks.tick() => {
                    let over = self.minutes.over(Timestamp::now());
                    self.connections(&over);
                }
            }
        }
        let rest = self.minutes.take();
        self.connections(&rest);
        self.waiting.complete();
    }

    fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Record(record) => self.record(record),
            Entry::Finding(change, finding) => {
                self.push(Lane::Rare, &records::of_finding(&self.node, *change, finding));
            }
            Entry::ApiMove { time, vip, service, source } => {
                self.push(Lane::Rare, &records::of_api_move(*time, *vip, service.as_ref(), *source));
            }
        }
    }

    fn record(&mut self, record: &FlowRecord) {
        let lane = match &record.event {
            Event::Attempt(attempt) if attempt.outcome == Outcome::Established => {
                return self.minutes.add(attempt, record.time);
            }
            Event::Attempt(_) | Event::Reset(_) | Event::Drop(_) => Lane::Frequent,
            Event::Announcement(_)
            | Event::PolicyChange(_)
            | Event::Check(_)
            | Event::Lost(_)
            | Event::Memory(_) => Lane::Rare,
        };
        if let Some(record) = records::of_record(record) {
            self.push(lane, &record);
        }
    }

    fn connections(&self, connections: &[Connections]) {
        let records = connections.iter().map(records::of_connections);
        records.for_each(|record| self.push(Lane::Frequent, &record));
    }

    fn push(&self, lane: Lane, record: &LogRecord) {
        self.waiting.push(lane, record.encode_to_vec());
    }
}
