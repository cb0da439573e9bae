//! Resets that wait for TCP to announce them: it does so after it has sent the one that ends a connection.

use std::collections::VecDeque;
use std::sync::Arc;

use flow_model::flow::RstOrigin;
use flow_model::input::Input;
use observer_abi::{ConnValue, Outcome, Record};
use parking_lot::Mutex;

use crate::probes::reset_reasons::{Answer, ResetReasons, Rst};

/// The longest wait. The announcement is a matter of microseconds, unless the sender loses its CPU in between.
const WAIT_NS: u64 = 100_000_000;
/// Resets that wait at one time. Beyond them they are reported without a reason.
const MAX: usize = 1_024;

/// Holds resets until their origin is known.
pub(super) struct HeldResets {
    reasons: Arc<Mutex<ResetReasons>>,
    waiting: VecDeque<(Rst, Input)>,
}

impl HeldResets {
    pub(super) fn new(reasons: Arc<Mutex<ResetReasons>>) -> Self {
        Self { reasons, waiting: VecDeque::new() }
    }

    /// Adds the origin to the input that a record became. Nothing is returned while the origin has to be waited for.
    pub(super) fn complete(&mut self, record: &Record, mut input: Input) -> Option<Input> {
        let Some(rst) = rst(record) else { return Some(input) };
        match self.reasons.lock().answer(rst) {
            Answer::Final(origin) => set(&mut input, origin),
            Answer::Later if self.waiting.len() < MAX => {
                self.waiting.push_back((rst, input));
                return None;
            }
            Answer::Later => {}
        }
        Some(input)
    }

    /// Is true while something waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns what waits no longer: its origin is known, or was not announced in time.
    pub(super) fn due(&mut self, now_ns: u64) -> Vec<Input> {
        let mut due = Vec::new();
        let reasons = self.reasons.lock();
        for (rst, mut input) in std::mem::take(&mut self.waiting) {
            match reasons.answer(rst) {
                Answer::Final(origin) => {
                    set(&mut input, origin);
                    due.push(input);
                }
                Answer::Later if now_ns.saturating_sub(rst.time_ns) >= WAIT_NS => due.push(input),
                Answer::Later => self.waiting.push_back((rst, input)),
            }
        }
        due
    }

    /// Notes the number of announcements so far. Called at intervals.
    pub(super) fn tick(&self) {
        self.reasons.lock().tick();
    }
}

/// Returns the RST that a record is about, if it is about one.
fn rst(record: &Record) -> Option<Rst> {
    match record {
        Record::Reset(reset) => {
            Some(Rst { mark: reset.mark, time_ns: reset.time_ns, here: reset.entered == 0 })
        }
        Record::Attempt(attempt) if attempt.outcome == Outcome::Refused => {
            let here = attempt.flags & ConnValue::REFUSED_HERE != 0;
            Some(Rst { mark: attempt.mark, time_ns: attempt.time_ns, here })
        }
        Record::Attempt(_) | Record::Drop(_) | Record::Announcement(_) => None,
    }
}

fn set(input: &mut Input, origin: RstOrigin) {
    match input {
        Input::Reset(seen) => seen.origin = origin,
        Input::Attempt(seen) => seen.origin = origin,
        _ => {}
    }
}
