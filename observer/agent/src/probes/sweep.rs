//! Attempts that nobody answers have no packet to end them: a sweep over the handshake map does.

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use flow_model::flow::Counts;
use flow_model::input::{Input, PairDelta};
use observer_abi::{ConnKey, ConnValue, outcome};

use crate::probes::batch::Batches;
use crate::probes::clock::{Clock, monotonic_ns};
use crate::probes::reasons::Reasons;
use crate::probes::{ProbeError, convert, drain};

/// No answer this long after the last SYN: told as unanswered.
const UNANSWERED_NS: u64 = 5_000_000_000;
/// Told attempts stay known this long after their last SYN, so that a repeated SYN is no new attempt.
/// Linux doubles the time between SYNs up to 64 s (`tcp_syn_retries`).
const LINGER_NS: u64 = 70_000_000_000;
/// A rejected attempt's client gives up at once, or repeats its SYN within the first few steps.
const REJECTED_LINGER_NS: u64 = 10_000_000_000;
/// Above this many entries, told attempts make room at once.
const CROWDED: usize = 32_768;

pub(super) struct Sweep {
    conns: HashMap<MapData, ConnKey, ConnValue>,
    all: Batches,
    /// Entries found by the last sweep.
    pub(super) entries: usize,
}

/// What to do with an entry.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Keep,
    Tell,
    Forget,
}

fn fate(conn: &ConnValue, now_ns: u64, crowded: bool) -> Fate {
    let idle = now_ns.saturating_sub(conn.last_ns);
    match conn.outcome {
        outcome::PENDING if idle >= UNANSWERED_NS => Fate::Tell,
        outcome::PENDING => Fate::Keep,
        outcome::REJECTED if crowded || idle >= REJECTED_LINGER_NS => Fate::Forget,
        outcome::UNANSWERED if crowded || idle >= LINGER_NS => Fate::Forget,
        outcome::REJECTED | outcome::UNANSWERED => Fate::Keep,
        // The program that ended it removes it in the same run.
        _ if idle >= UNANSWERED_NS => Fate::Forget,
        _ => Fate::Keep,
    }
}

impl Sweep {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let map = drain::take(ebpf, "CONNS")?;
        let all =
            Batches::of(&map).map_err(|source| ProbeError::System { what: "the handshake map", source })?;
        Ok(Self { conns: HashMap::try_from(map).map_err(ProbeError::map("CONNS"))?, all, entries: 0 })
    }

    /// The attempts that became unanswered since the last sweep.
    pub(super) fn run(&mut self, clock: Clock, reasons: &Reasons) -> Result<Vec<Input>, ProbeError> {
        let now_ns = monotonic_ns();
        let entries = self.all.read::<ConnKey, ConnValue>();
        let entries =
            entries.map_err(|source| ProbeError::System { what: "reading the handshake map", source })?;
        self.entries = entries.len();
        let crowded = entries.len() > CROWDED;
        let mut inputs = Vec::new();
        let mut deltas = Vec::new();
        for (key, conn) in entries {
            match fate(&conn, now_ns, crowded) {
                Fate::Keep => {}
                Fate::Forget => self.forget(&key),
                Fate::Tell if self.told(&key, conn) => {
                    let attempt = convert::unanswered(&key, &conn, now_ns, clock, reasons);
                    let counts = Counts { outcomes: [0, 0, 0, 1], ..Counts::default() };
                    deltas.push(PairDelta { pair: Some(convert::pair_of(&attempt)), counts });
                    inputs.push(Input::Attempt(attempt));
                }
                Fate::Tell => {}
            }
        }
        if !deltas.is_empty() {
            inputs.push(Input::Pairs { deltas });
        }
        Ok(inputs)
    }

    fn forget(&mut self, key: &ConnKey) {
        // Gone already is as good.
        drop(self.conns.remove(key));
    }

    /// Marks the entry as told. False if an answer or another SYN came first.
    fn told(&mut self, key: &ConnKey, conn: ConnValue) -> bool {
        const EXIST: u64 = 2;
        let now = self.conns.get(key, 0);
        let pending = now.is_ok_and(|now| now.outcome == outcome::PENDING && now.last_ns == conn.last_ns);
        pending && self.conns.insert(key, ConnValue { outcome: outcome::UNANSWERED, ..conn }, EXIST).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(outcome: u8, last_s: u64) -> ConnValue {
        ConnValue {
            first_ns: 0,
            last_ns: last_s * 1_000_000_000,
            dst: [0; 16],
            backend: [0; 16],
            dport: 0,
            backend_port: 0,
            syns: 1,
            drop_reason: 0,
            outcome,
            vantage: 0,
            _pad: [0; 2],
        }
    }

    #[test]
    fn unanswered_five_seconds_after_the_last_syn() {
        let at = |s: u64| s * 1_000_000_000;
        assert_eq!(fate(&conn(outcome::PENDING, 10), at(14), false), Fate::Keep);
        assert_eq!(fate(&conn(outcome::PENDING, 10), at(15), false), Fate::Tell);
        assert_eq!(fate(&conn(outcome::UNANSWERED, 10), at(74), false), Fate::Keep);
        assert_eq!(fate(&conn(outcome::UNANSWERED, 10), at(80), false), Fate::Forget);
        assert_eq!(fate(&conn(outcome::UNANSWERED, 10), at(16), true), Fate::Forget);
        assert_eq!(fate(&conn(outcome::REJECTED, 10), at(19), false), Fate::Keep);
        assert_eq!(fate(&conn(outcome::REJECTED, 10), at(20), false), Fate::Forget);
        assert_eq!(fate(&conn(outcome::PENDING, 10), at(9), false), Fate::Keep, "a clock behind the entry's");
    }
}
