//! Collects what the programs leave in maps, as inputs of the engine.

use std::sync::Arc;

use flow_model::input::Input;
use parking_lot::Mutex;

use crate::probes::clock::Clock;
use crate::probes::drain::Drain;
use crate::probes::error::ProbeError;
use crate::probes::established::HandshakeTimes;
use crate::probes::hooks::Publish;
use crate::probes::journal::JournalSettings;
use crate::probes::load::Loaded;
use crate::probes::owners::Owners;
use crate::probes::pins::Pins;
use crate::probes::reasons::Reasons;
use crate::probes::reset_reasons::ResetReasons;
use crate::probes::sweep::Sweep;
use crate::probes::transit_resets::TransitResets;
use crate::probes::unattributed::Unattributed;
use crate::probes::unrecorded::{ClaimCounts, Unrecorded};

/// What was collected at once.
pub(super) struct Collected {
    pub(super) results: Vec<Result<Vec<Input>, ProbeError>>,
    /// See [`Counted::seq`](crate::probes::Counted::seq).
    pub(super) seq: u64,
}

/// Owns the maps that are read at intervals. Every method blocks.
pub struct Collector {
    drain: Drain,
    handshake_times: HandshakeTimes,
    unattributed: Unattributed,
    unrecorded: Unrecorded,
    sweep: Sweep,
    transit_resets: TransitResets,
    reasons: Reasons,
}

impl Collector {
    /// Takes the maps out of a loaded object.
    ///
    /// # Errors
    /// Fails when a map is missing, has another type, or was taken before.
    pub fn new(loaded: &mut Loaded) -> Result<Self, ProbeError> {
        let ebpf = &mut loaded.ebpf;
        Ok(Self {
            drain: Drain::new(ebpf)?,
            handshake_times: HandshakeTimes::new(ebpf)?,
            unattributed: Unattributed::new(ebpf)?,
            unrecorded: Unrecorded::new(ebpf)?,
            sweep: Sweep::new(ebpf, Arc::clone(&loaded.flows))?,
            transit_resets: TransitResets::new(ebpf)?,
            reasons: loaded.reasons.clone(),
        })
    }

    /// Gives resets their reasons.
    pub(super) fn explain_resets(&mut self, reasons: Arc<Mutex<ResetReasons>>) {
        self.transit_resets.explain(reasons);
    }

    /// Names the pods that own sockets in the node's own network.
    pub(super) fn name_owners(&mut self, owners: Arc<Mutex<Owners>>) {
        self.sweep.name_owners(owners);
    }

    /// Returns what was counted since the last call: established attempts without records of their own, pairs, drops and
    /// losses.
    ///
    /// # Errors
    /// Fails when a map can't be read.
    pub fn counted(&mut self) -> Result<Vec<Input>, ProbeError> {
        self.drain.take(Clock::read(), &self.reasons)
    }

    /// Returns the number of announcements without a record since the last call.
    ///
    /// # Errors
    /// Fails when the counters can't be read.
    pub fn unrecorded(&mut self) -> Result<ClaimCounts, ProbeError> {
        self.unrecorded.take()
    }

    /// Returns the attempts that became unanswered since the last call, and their counts.
    ///
    /// # Errors
    /// Fails when the map can't be read.
    pub fn unanswered(&mut self) -> Result<Vec<Input>, ProbeError> {
        self.sweep.run(Clock::read(), &self.reasons)
    }

    /// Returns the resets that came in and did not leave in time, and their counts; at the `end` all that did not
    /// leave.
    ///
    /// # Errors
    /// Fails when the map can't be read.
    pub fn stranded(&mut self, end: bool) -> Result<Vec<Input>, ProbeError> {
        self.transit_resets.take(Clock::read(), end)
    }

    /// Returns what the agent before had taken or left, see [`Drain::recover`].
    pub(super) fn recover(&mut self, journal: Option<&JournalSettings>) -> Collected {
        let results = vec![self.drain.recover(journal, Clock::read(), &self.reasons)];
        Collected { results, seq: self.drain.note(&[]) }
    }

    /// Returns what an earlier agent left in maps of another layout. To be called when all its programs are replaced.
    pub(super) fn adopt(&mut self, pins: &Pins) -> Collected {
        let mut inputs = Vec::new();
        pins.migrate(|left| inputs.extend(self.drain.adopt(left, &self.reasons)));
        Collected { results: vec![Ok(inputs)], seq: self.drain.note(&[]) }
    }

    /// Collects everything. A map that can't be read does not keep the others from being read.
    pub(super) fn all(&mut self, end: bool) -> Collected {
        let unclaimed = self.unrecorded().map(|counts| counts.input().into_iter().collect());
        let results = vec![self.counted(), unclaimed, self.unanswered(), self.stranded(end)];
        // Those of the drain are in the journal already.
        let others = results.iter().skip(1).flatten().flatten();
        let counts: Vec<Input> =
            others.filter(|input| matches!(input, Input::Pairs { .. })).cloned().collect();
        Collected { results, seq: self.drain.note(&counts) }
    }

    /// Publishes what was counted since the last call and is not the engine's: the time that handshakes took, drops that are
    /// not reported, and the use of maps.
    pub(super) fn publish(&mut self, to: &Publish) {
        for (vantage, times) in self.handshake_times.take() {
            (to.handshakes)(vantage, &times);
        }
        for (namespace, count) in self.unattributed.take() {
            (to.unattributed)(namespace, count);
        }
        (to.entries)("pairs", self.drain.pairs, self.drain.pairs_capacity());
        (to.entries)("handshakes", self.sweep.entries, self.sweep.capacity());
    }
}
