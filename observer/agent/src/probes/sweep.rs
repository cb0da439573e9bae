//! Ends attempts that no packet ends: those without an answer, and those whose answer left by a way that no hook sees.

use std::sync::Arc;

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use flow_model::flow::{Counts, Outcome};
use flow_model::input::{Input, LostStage, SILENCE};
use observer_abi::{self as abi, ConnKey, ConnValue};
use parking_lot::Mutex;

use crate::probes::accept_queues::AcceptQueues;
use crate::probes::batch::Batches;
use crate::probes::clock::{Clock, monotonic_ns};
use crate::probes::error::ProbeError;
use crate::probes::faults::Faults;
use crate::probes::flows::Flows;
use crate::probes::owners::Owners;
use crate::probes::reasons::Reasons;
use crate::probes::turnover::Turnover;
use crate::probes::{convert, maps};

/// [`SILENCE`] in nanoseconds.
const SILENCE_NS: u64 = SILENCE.as_nanos() as u64;
/// Attempts that one sweep reports. The others are counted, and counted as lost records.
const MAX_REPORTS: usize = 1_000;

/// Owns the map of handshakes.
pub(super) struct Sweep {
    conns: HashMap<MapData, ConnKey, ConnValue>,
    ended: HashMap<MapData, ConnKey, ConnValue>,
    accept_queues: AcceptQueues,
    owners: Option<Arc<Mutex<Owners>>>,
    all: Batches,
    flows: Arc<Mutex<Flows>>,
    turnover: Turnover,
    faults: Faults,
    /// Entries found by the last sweep.
    pub(super) entries: usize,
}

/// Is true for an attempt that waits for an answer no longer.
fn is_over(conn: &ConnValue, now_ns: u64) -> bool {
    conn.outcome == ConnValue::PENDING && now_ns.saturating_sub(conn.last_ns) >= SILENCE_NS
}

/// Returns how the attempt ended. An answer that was seen on its way, but not where it leaves towards the client, may
/// have left by an interface that is not followed. Then the client had it, and neither side repeated anything. Where one
/// did, the answer was lost.
fn outcome(conn: &ConnValue) -> Outcome {
    match conn.answers {
        1 if conn.syns == 1 && conn.flags & ConnValue::REFUSED != 0 => Outcome::Refused,
        1 if conn.syns == 1 => Outcome::Established,
        _ => Outcome::Unanswered,
    }
}

/// Adds the pods that own an attempt's sockets.
fn name(owners: Option<&Mutex<Owners>>, conn: &ConnValue, input: &mut Input) {
    let (Some(owners), Input::Attempt(seen)) = (owners, input) else { return };
    let mut owners = owners.lock();
    owners.server(seen);
    if conn.flags & ConnValue::MADE_HERE != 0 {
        owners.client(seen);
    }
}

/// Returns the counts of an attempt that ended so.
fn counts(outcome: Outcome) -> Counts {
    let mut counts = Counts::default();
    counts.outcomes[outcome as usize] = 1;
    counts
}

fn byte(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Established => abi::Outcome::Established,
        Outcome::Refused => abi::Outcome::Refused,
        Outcome::Rejected => abi::Outcome::Rejected,
        Outcome::Unanswered => abi::Outcome::Unanswered,
    }
    .byte()
}

/// Leaves as many attempts as one sweep may report, and returns the number of those left out. A flood or a scan makes tens
/// of thousands at once; they are counted, but the engine would be busy with them for seconds.
fn limit(inputs: &mut Vec<Input>) -> u64 {
    let (mut attempts, mut untold) = (0, 0);
    inputs.retain(|input| {
        let is_attempt = matches!(input, Input::Attempt(_));
        attempts += usize::from(is_attempt);
        let told = !is_attempt || attempts <= MAX_REPORTS;
        untold += u64::from(!told);
        told
    });
    untold
}

impl Sweep {
    pub(super) fn new(ebpf: &mut Ebpf, flows: Arc<Mutex<Flows>>) -> Result<Self, ProbeError> {
        let map = maps::take(ebpf, "CONNS")?;
        let all = Batches::of(&map).map_err(ProbeError::system("the handshake map"))?;
        let conns = HashMap::try_from(map).map_err(ProbeError::map("CONNS"))?;
        let (ended, turnover) = (maps::hash(ebpf, "ENDED")?, Turnover::new(ebpf)?);
        let accept_queues = AcceptQueues::new(ebpf)?;
        Ok(Self {
            conns,
            ended,
            accept_queues,
            owners: None,
            all,
            flows,
            turnover,
            faults: Faults::default(),
            entries: 0,
        })
    }

    /// Returns how many attempts can be pending.
    pub(super) fn capacity(&self) -> usize {
        self.all.capacity()
    }

    /// Names the pods that own sockets in the node's own network.
    pub(super) fn name_owners(&mut self, owners: Arc<Mutex<Owners>>) {
        self.owners = Some(owners);
    }

    /// Returns the attempts that ended without a packet since the last sweep, their counts, and how many handshakes and
    /// records were lost because there were too many.
    pub(super) fn run(&mut self, clock: Clock, reasons: &Reasons) -> Result<Vec<Input>, ProbeError> {
        let now_ns = monotonic_ns();
        let begun = self.turnover.begun()?;
        self.flows.lock().note_begun(begun);
        let entries = self.all.read::<ConnKey, ConnValue>();
        let entries = entries.map_err(ProbeError::system("reading the handshake map"))?;
        self.entries = entries.len();
        let lost = self.turnover.lost(begun, entries.len())?;
        let over: Vec<_> = entries.into_iter().filter(|(_, conn)| is_over(conn, now_ns)).collect();
        let over: Vec<_> = over.into_iter().filter(|(key, conn)| self.end(key, conn)).collect();
        let (accept_queues, owners) = (&self.accept_queues, self.owners.as_deref());
        let attempts =
            over.iter().filter(|(_, conn)| conn.flags & ConnValue::FOREIGN == 0).map(|(key, conn)| {
                let how = outcome(conn);
                let mut ended = convert::ended(key, conn, how, now_ns, clock, reasons);
                if let Ok((_, input)) = &mut ended {
                    accept_queues.complete(key, conn, input);
                    name(owners, conn, input);
                }
                (counts(how), ended)
            });
        let mut inputs = convert::once(attempts, &mut self.faults);
        let untold = limit(&mut inputs);
        inputs.extend((untold > 0).then_some(Input::Lost { stage: LostStage::Ring, count: untold }));
        inputs.extend((lost > 0).then_some(Input::Lost { stage: LostStage::Handshakes, count: lost }));
        Ok(inputs)
    }

    /// Moves the entry to those that ended, so that a repeated SYN is no new attempt. Returns false if an answer or
    /// another SYN came first.
    fn end(&mut self, key: &ConnKey, conn: &ConnValue) -> bool {
        if !self.conns.get(key, 0).is_ok_and(|now| now == *conn) {
            return false;
        }
        let how = outcome(conn);
        let ended = ConnValue { outcome: byte(how), ..*conn };
        // A frame for another host that is repeated is as little of an attempt as the first.
        let is_foreign = conn.flags & ConnValue::FOREIGN != 0;
        // Entered there first: the programs find it in one of the two.
        match how {
            _ if is_foreign => {}
            Outcome::Established => self.flows.lock().open(key, conn),
            _ => drop(self.ended.insert(key, ended, 0)),
        }
        if self.conns.remove(key).is_err() {
            // A program ended it, and may have entered what it knows.
            if self.ended.get(key, 0).is_ok_and(|now| now == ended) {
                drop(self.ended.remove(key));
            }
            return false;
        }
        self.turnover.removed();
        true
    }
}

#[cfg(test)]
mod tests;
