//! Attempts of the node that wait until it is known whose they are: a hook sees the answer before the socket does.

use std::collections::VecDeque;
use std::sync::Arc;

use flow_model::input::Input;
use observer_abi::{AttemptRecord, ConnValue, Record};
use parking_lot::Mutex;

use crate::probes::owners::Owners;

/// The longest wait. The socket follows within microseconds, unless another CPU has to take the packet first.
const WAIT_NS: u64 = 50_000_000;
/// Attempts that wait at one time. Beyond them they are reported without a name.
const MAX: usize = 1_024;

/// Holds attempts until their owner is known.
pub(in crate::probes) struct HeldOwners {
    owners: Arc<Mutex<Owners>>,
    waiting: VecDeque<(AttemptRecord, Input)>,
}

impl HeldOwners {
    pub(in crate::probes) fn new(owners: Arc<Mutex<Owners>>) -> Self {
        Self { owners, waiting: VecDeque::new() }
    }

    /// Adds the pods that own an attempt's sockets. Nothing is returned while the client's has to be waited for.
    pub(in crate::probes) fn complete(&mut self, record: &Record, mut input: Input) -> Option<Input> {
        let (Record::Attempt(attempt), Input::Attempt(seen)) = (record, &mut input) else {
            return Some(input);
        };
        let mut owners = self.owners.lock();
        owners.server(seen);
        let is_known = attempt.flags & ConnValue::MADE_HERE == 0 || owners.client(seen);
        if is_known || self.waiting.len() >= MAX {
            return Some(input);
        }
        self.waiting.push_back((*attempt, input));
        None
    }

    /// Is true while something waits.
    pub(in crate::probes) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns what waits no longer, each with its record.
    pub(in crate::probes) fn due(&mut self, now_ns: u64) -> Vec<(Record, Input)> {
        let mut due = Vec::new();
        let mut owners = self.owners.lock();
        for (attempt, mut input) in std::mem::take(&mut self.waiting) {
            let is_late = now_ns.saturating_sub(attempt.time_ns) >= WAIT_NS;
            let is_known = match &mut input {
                Input::Attempt(seen) => owners.client(seen),
                _ => true,
            };
            if is_known || is_late {
                due.push((Record::Attempt(attempt), input));
            } else {
                self.waiting.push_back((attempt, input));
            }
        }
        due
    }

    /// Reads who listens. Called at intervals.
    pub(in crate::probes) fn tick(&self) {
        self.owners.lock().tick();
    }
}
