//! Findings as Kubernetes Events, so that `kubectl describe pod` shows why a pod can't connect.
//!
//! | finding | the Event is on | who writes it | `related` |
//! |---|---|---|---|
//! | `policy_denied`, `service_refused`, `unanswered`, `latent_denial`, `port_scan` | the client pod | the agent on the pod's node | the NetworkPolicy, else the Service |
//! | the same, of a client that is no pod | the Service, else the pod addressed | all who see it; of a pod its node's agent | the NetworkPolicy |
//! | `enforcement_mismatch` | the NetworkPolicy, else as above | all who see it | the client pod |
//! | `vip_flap`, `vip_conflict` | the Service that has the VIP | all who see it | |
//! | `rst_burst`, `syn_flood` | the Service, else the server pod | all who see it; of a pod its node's agent | |
//! | `blind_spot` | the Node, in the namespace `default` | the agent on it | |
//!
//! Findings of severity `info` make no Events: scans from outside must not cause writes to the API server.
//!
//! There is one Event per finding and object, named after both. A finding is one episode, so what comes back makes another
//! Event. It is created at once. Then its count and text are patched, at growing intervals. On a pod it counts that pod's
//! attempts, not those of the others of its workload. When the finding ends, a second Event of type `Normal` gives the
//! reason, if the first one was written; the text of the first stays. All agents give it the same name, so agents that see
//! the same write one object, and only an agent that knows more writes. The Events are core/v1 with first and last time and
//! a count, not events.k8s.io/v1, where the text of an Event can't follow its finding. Every server and kubectl understands
//! them.
//!
//! Every update of a finding comes here, also those that only confirm it: they keep its Event from expiring. What
//! changed since the update before does not matter, because Events are written later, less often or not at all. The
//! queue compares a finding with the Event as it was written last, and writes only what would change that.
//!
//! Of one kind and object ten findings have Events of their own. Further ones share one, which begins with "(combined from
//! similar events)" and ends when all of them have ended, as client-go aggregates. First reports and ends go before
//! repetitions, which leave half of each limit to them.
//!
//! Nothing here delays the agent: the queue is bounded, a report is dropped after a few failed tries, and each loss is
//! counted in `events_lost_total{stage="kube_events"}`.

mod combined;
mod complaint;
mod intake;
mod pace;
mod queue;
mod report;
mod subject;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;
use std::time::Instant;

use arcstr::ArcStr;
use flow_model::finding::Finding;
use flow_model::inventory::Inventory;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::intake::Intake;
use self::report::{Outcome, Report};
use self::write::Writer;
use crate::kube::access::ApiAccess;

pub use self::pace::Limits;

/// The name of the controller in Events.
pub(super) const CONTROLLER: &str = "flow-observer";

/// Holds what [`run`] works with.
pub struct Reporting {
    /// The access to the API server.
    pub access: ApiAccess,
    /// This node's name.
    pub node: ArcStr,
    /// The limits on how fast Events may be written.
    pub limits: Limits,
    /// Every update of a finding.
    pub findings: mpsc::Receiver<Arc<Finding>>,
    /// The inventories in which the objects of Events are looked up.
    pub inventories: watch::Receiver<Arc<Inventory>>,
    /// Counts Events that were lost.
    pub lost: Box<dyn Fn(u64) + Send + Sync>,
    /// Publishes how many Events wait to be written.
    pub pending: Box<dyn Fn(usize) + Send + Sync>,
}

/// Writes Events until `cancel`, or until there are no more findings. What is not written by then is dropped.
pub async fn run(reporting: Reporting, cancel: CancellationToken) {
    let mut writer = Writer::new(reporting.access.clone(), reporting.node.clone());
    let (mut intake, mut findings) = Intake::new(reporting, Instant::now());
    let mut open = true;
    while open || !intake.queue.is_empty() {
        let due = intake.queue.next_due(Instant::now());
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            finding = findings.recv(), if open => match finding {
                Some(finding) => intake.note(finding, Instant::now()),
                None => open = false,
            },
            () = sleep_until(due), if due.is_some() => {
                let Some(report) = intake.queue.next(Instant::now()) else { continue };
                tokio::select! {
                    () = write(&mut writer, &mut intake, report, &mut findings) => {}
                    () = cancel.cancelled() => return,
                }
            }
        }
    }
}

/// Writes one Event, unless its pod is gone meanwhile, and keeps taking findings.
async fn write(
    writer: &mut Writer,
    intake: &mut Intake,
    report: Report,
    findings: &mut mpsc::Receiver<Arc<Finding>>,
) {
    if !intake.is_there(&report) {
        intake.finished(report, Outcome::Gone, Instant::now());
        return;
    }
    let written = intake.queue.written(&report);
    let outcome = {
        let writing = writer.write(&report, written);
        tokio::pin!(writing);
        loop {
            tokio::select! {
                outcome = &mut writing => break outcome,
                Some(finding) = findings.recv() => intake.note(finding, Instant::now()),
            }
        }
    };
    intake.finished(report, outcome, Instant::now());
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due.into()).await;
    }
}
