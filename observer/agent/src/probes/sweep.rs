//! Ends attempts that get no answer. No packet ends them, so a sweep over the handshake map does.

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use flow_model::flow::Counts;
use flow_model::input::Input;
use observer_abi::{ConnKey, ConnValue, Outcome};

use crate::probes::batch::Batches;
use crate::probes::clock::{Clock, monotonic_ns};
use crate::probes::error::ProbeError;
use crate::probes::faults::Faults;
use crate::probes::reasons::Reasons;
use crate::probes::{convert, maps};

/// An attempt without an answer this long after the last SYN is reported as unanswered.
const UNANSWERED_NS: u64 = 5_000_000_000;
/// Reported attempts stay in the map this long after their last SYN, so that a repeated SYN is no new attempt. Linux
/// doubles the time between SYNs up to 64 s (`tcp_syn_retries`).
const LINGER_NS: u64 = 70_000_000_000;
/// Rejected attempts stay this long: the client gives up at once, or repeats its SYN within the first few steps.
const REJECTED_LINGER_NS: u64 = 10_000_000_000;
/// Above this many entries, reported attempts are removed at once.
const CROWDED: usize = 32_768;

/// Owns the map of handshakes.
pub(super) struct Sweep {
    conns: HashMap<MapData, ConnKey, ConnValue>,
    all: Batches,
    faults: Faults,
    /// Entries found by the last sweep.
    pub(super) entries: usize,
}

/// The next step for an entry.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Keep,
    Report,
    Remove,
}

/// Returns the counts of an attempt without an answer.
fn one() -> Counts {
    Counts { outcomes: [0, 0, 0, 1], ..Counts::default() }
}

fn step(conn: &ConnValue, now_ns: u64, crowded: bool) -> Step {
    let idle = now_ns.saturating_sub(conn.last_ns);
    if conn.outcome == ConnValue::PENDING {
        return if idle >= UNANSWERED_NS { Step::Report } else { Step::Keep };
    }
    let linger = match Outcome::from_byte(conn.outcome) {
        Some(Outcome::Rejected) if crowded => 0,
        Some(Outcome::Rejected) => REJECTED_LINGER_NS,
        Some(Outcome::Unanswered) if crowded => 0,
        Some(Outcome::Unanswered) => LINGER_NS,
        // The program that ended it removes it in the same run.
        Some(Outcome::Established | Outcome::Refused) | None => UNANSWERED_NS,
    };
    if idle >= linger { Step::Remove } else { Step::Keep }
}

impl Sweep {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let map = maps::take(ebpf, "CONNS")?;
        let all = Batches::of(&map).map_err(ProbeError::system("the handshake map"))?;
        let conns = HashMap::try_from(map).map_err(ProbeError::map("CONNS"))?;
        Ok(Self { conns, all, faults: Faults::default(), entries: 0 })
    }

    /// Returns the attempts that became unanswered since the last sweep, and their counts.
    pub(super) fn run(&mut self, clock: Clock, reasons: &Reasons) -> Result<Vec<Input>, ProbeError> {
        let now_ns = monotonic_ns();
        let entries = self.all.read::<ConnKey, ConnValue>();
        let entries = entries.map_err(ProbeError::system("reading the handshake map"))?;
        self.entries = entries.len();
        let crowded = entries.len() > CROWDED;
        let mut reported = Vec::new();
        for (key, conn) in entries {
            match step(&conn, now_ns, crowded) {
                Step::Report if self.mark_reported(&key, conn) => reported.push((key, conn)),
                // An entry that has gone already is no error.
                Step::Remove => drop(self.conns.remove(&key)),
                Step::Report | Step::Keep => {}
            }
        }
        let attempts =
            reported.iter().map(|(key, conn)| convert::unanswered(key, conn, now_ns, clock, reasons));
        Ok(convert::once(attempts, one(), &mut self.faults))
    }

    /// Marks the entry as reported. Returns false if an answer or another SYN came first.
    fn mark_reported(&mut self, key: &ConnKey, conn: ConnValue) -> bool {
        const EXIST: u64 = 2;
        let now = self.conns.get(key, 0);
        let pending = now.is_ok_and(|now| now.outcome == ConnValue::PENDING && now.last_ns == conn.last_ns);
        pending
            && self
                .conns
                .insert(key, ConnValue { outcome: Outcome::Unanswered.byte(), ..conn }, EXIST)
                .is_ok()
    }
}

#[cfg(test)]
mod tests;
