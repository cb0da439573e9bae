//! The task that sends what the maps hold, at intervals.

use std::sync::Arc;
use std::time::Duration;

use flow_model::blind_spot::{BlindReason, Unseen};
use flow_model::input::Input;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::probes::collector::{Collected, Collector};
use crate::probes::error::ProbeError;
use crate::probes::hooks::{Blind, Complete, Counted, HandOver, Publish};
use crate::probes::journal::JournalSettings;
use crate::probes::pins::Pins;
use crate::tasks::blocking;

const COLLECT_EVERY: Duration = Duration::from_millis(500);
/// The longest time that counts of the agent before wait for the cluster, by which they get their names.
const CLUSTER_WITHIN: Duration = Duration::from_secs(10);

/// What the agent before may have left.
pub(super) struct Before {
    pub(super) pins: Option<Arc<Pins>>,
    /// Cancelled when the programs of the agent before are replaced.
    pub(super) all_attached: CancellationToken,
}

/// Takes what is to be reported about collecting.
pub(super) struct Reports {
    pub(super) complete: Complete,
    pub(super) publish: Publish,
    pub(super) blind: Blind,
    pub(super) warned: bool,
}

/// What is collected next.
enum Next {
    Recover(Option<JournalSettings>),
    Adopt(Arc<Pins>),
    All { last: bool },
}

/// Sends what the agent before left, then what the maps hold, at intervals, and one last time after the cancellation, so that a
/// stop loses nothing that was counted.
pub(super) async fn collect(
    mut collector: Collector,
    mut reports: Reports,
    before: Before,
    hand_over: HandOver,
    cancel: CancellationToken,
) {
    let Before { mut pins, all_attached } = before;
    let HandOver { counted, journal, cluster_known } = hand_over;
    if pins.is_some() || journal.is_some() {
        tokio::select! {
            () = cluster_known.cancelled() => {}
            () = tokio::time::sleep(CLUSTER_WITHIN) => {}
            () = cancel.cancelled() => {}
        }
    }
    let mut next = Next::Recover(journal);
    let mut tick = tokio::time::interval(COLLECT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = matches!(next, Next::All { last: true });
        let collected;
        (collected, collector) = blocking(move || (run(&mut collector, next), collector)).await;
        let seq = collected.seq;
        let inputs = reports.take(collected, &mut collector);
        if counted.send(Counted { inputs, seq }).await.is_err() || last {
            return;
        }
        next = tokio::select! {
            _ = tick.tick() => match pins.take_if(|_| all_attached.is_cancelled()) {
                Some(pins) => Next::Adopt(pins),
                None => Next::All { last: false },
            },
            () = cancel.cancelled() => Next::All { last: true },
        };
    }
}

fn run(collector: &mut Collector, next: Next) -> Collected {
    match next {
        Next::Recover(journal) => collector.recover(journal.as_ref()),
        Next::Adopt(pins) => collector.adopt(&pins),
        Next::All { last } => collector.all(last),
    }
}

impl Reports {
    /// Returns what was collected, and reports what could not be and how full the maps are.
    fn take(&mut self, collected: Collected, collector: &mut Collector) -> Vec<Input> {
        collector.publish(&self.publish);
        let results = collected.results;
        let failed = results.iter().find_map(|result| result.as_ref().err()).map(ToString::to_string);
        let late =
            |error| format!("counts are late or incomplete: {error}; if it stays so, restart the agent");
        (self.blind)(BlindReason::Counters, "maps", failed.map(late).map(Unseen::elsewhere));
        let mut inputs: Vec<Input> = results.into_iter().flat_map(|result| self.or_warn(result)).collect();
        inputs.iter_mut().for_each(|input| (self.complete)(input));
        inputs
    }

    fn or_warn(&mut self, result: Result<Vec<Input>, ProbeError>) -> Vec<Input> {
        result.unwrap_or_else(|error| {
            if !std::mem::replace(&mut self.warned, true) {
                warn!(%error, "counters could not be read; this is logged once");
            }
            Vec::new()
        })
    }
}
