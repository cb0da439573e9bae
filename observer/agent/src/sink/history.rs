//! What a log engine keeps. It is offered to a bounded queue, and nobody waits for its reader.

use std::net::IpAddr;
use std::sync::Arc;

use flow_model::finding::{Finding, FindingChange};
use flow_model::object_ref::ObjectRef;
use flow_model::record::{Event, FlowRecord};
use flow_model::vip::ClaimSource;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::sink::metrics::{OtlpCounters, OtlpResult};

/// Something that is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A record, also of connections that were established: its reader merges them.
    Record(Box<FlowRecord>),
    /// A finding that appeared, changed or ended.
    Finding(FindingChange, Arc<Finding>),
    /// A move of a VIP that an object of the API shows.
    ApiMove {
        /// The time at which the agent learnt of it.
        time: Timestamp,
        vip: IpAddr,
        service: Option<ObjectRef>,
        source: ClaimSource,
    },
}

/// The writing end of the queue.
#[derive(Debug)]
pub(super) struct History {
    to: mpsc::Sender<Entry>,
    counters: OtlpCounters,
}

impl History {
    /// Returns a queue of this length.
    pub(super) fn new(length: usize, counters: OtlpCounters) -> (Self, mpsc::Receiver<Entry>) {
        let (to, entries) = mpsc::channel(length);
        (Self { to, counters }, entries)
    }

    /// Offers a record, unless it says nothing new: a check that succeeded.
    pub(super) fn record(&self, record: FlowRecord) {
        match &record.event {
            Event::Check(check) if check.ok => {}
            Event::Memory(_) => {}
            _ => self.offer(Entry::Record(record.into())),
        }
    }

    /// Offers a finding that changed.
    pub(super) fn finding(&self, change: FindingChange, finding: &Arc<Finding>) {
        if change != FindingChange::Confirmed {
            self.offer(Entry::Finding(change, Arc::clone(finding)));
        }
    }

    /// Offers a move of a VIP, unless a record has it: the wire's moves are announcements.
    pub(super) fn moved(
        &self,
        time: Timestamp,
        vip: IpAddr,
        service: Option<&ObjectRef>,
        source: ClaimSource,
    ) {
        if source != ClaimSource::Wire {
            self.offer(Entry::ApiMove { time, vip, service: service.cloned(), source });
        }
    }

    fn offer(&self, entry: Entry) {
        if self.to.try_send(entry).is_err() {
            self.counters.count(OtlpResult::QueueFull, 1);
        }
    }
}
