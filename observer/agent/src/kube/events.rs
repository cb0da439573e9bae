//! Findings as Kubernetes Events, so that `kubectl describe pod` tells why it can't connect.
//!
//! | finding | the Event is on | who writes it | `related` |
//! |---|---|---|---|
//! | `policy_denied`, `service_refused`, `unanswered`, `latent_denial` | the client pod | the agent on the pod's node | the NetworkPolicy, else the Service |
//! | the same, of a client that is no pod | the Service, else the pod addressed | all who see it; of a pod its node's agent | the NetworkPolicy |
//! | `enforcement_mismatch` | the NetworkPolicy, else as above | all who see it | the client pod |
//! | `vip_flap`, `vip_conflict` | the Service that has the VIP | all who see it | |
//! | `rst_burst` | the Service, else the server pod | all who see it; of a pod its node's agent | |
//!
//! Findings of severity `info` make no Events: whoever scans addresses from outside shall not write to the API server.
//! Nor does a finding's end: Events tell what happened, and go after an hour; `/api/v1/findings` tells what is.
//!
//! There is one Event per finding and object, named after both. It is created at once, then patched: its count and its
//! newest sentence, at growing intervals. All agents name it alike, so where several see the same they meet in one
//! object, and only who knows more writes. The Events are core/v1 with first and last time and a count, not
//! events.k8s.io/v1, where the text of an Event can't follow its finding; every server and kubectl understands them.
//!
//! Nothing here holds up the agent: the queue is bounded, the API server is given up after a few tries, and each loss is
//! counted in `events_lost_total{stage="kube_events"}`.

mod complaint;
mod pace;
mod queue;
mod subject;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;
use std::time::Instant;

use arcstr::ArcStr;
use flow_model::finding::{Finding, Severity};
use flow_model::inventory::Inventory;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::queue::{Queue, Report};
use self::write::Writer;
use crate::kube::access::ApiAccess;

pub use self::pace::Limits;

/// Whose Events these are.
pub(super) const CONTROLLER: &str = "flow-observer";

/// What [`run`] works with.
pub struct Reporting {
    /// To the API server.
    pub way: ApiAccess,
    /// This node's name.
    pub node: ArcStr,
    /// How fast Events may be written.
    pub limits: Limits,
    /// Every word on a finding.
    pub findings: mpsc::Receiver<Arc<Finding>>,
    /// Where the objects are found that Events are about.
    pub inventories: watch::Receiver<Arc<Inventory>>,
    /// Counts Events that were lost.
    pub lost: Box<dyn Fn(u64) + Send + Sync>,
}

/// Writes Events until `cancel`, or until there are no more findings; what is not written by then is let go.
pub async fn run(reporting: Reporting, cancel: CancellationToken) {
    let Reporting { way, node, limits, mut findings, inventories, lost } = reporting;
    let mut queue = Queue::new(limits, Instant::now());
    let mut writer = Writer::new(way, node.clone());
    let mut open = true;
    while open || !queue.is_empty() {
        let due = queue.next_due(Instant::now());
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            finding = findings.recv(), if open => match finding {
                Some(finding) => {
                    let report = report(finding, &inventories.borrow(), &node);
                    lost(report.map_or(0, |report| queue.note(report, Instant::now())));
                }
                None => open = false,
            },
            () = sleep_until(due), if due.is_some() => {
                let Some(report) = queue.next(Instant::now()) else { continue };
                let writing = write(&mut writer, &mut queue, report, &inventories, &mut findings, &*lost, &node);
                tokio::select! {
                    () = writing => {}
                    () = cancel.cancelled() => return,
                }
            }
        }
    }
}

/// One exchange with the API server, during which findings go on being taken in.
async fn write(
    writer: &mut Writer,
    queue: &mut Queue,
    report: Report,
    inventories: &watch::Receiver<Arc<Inventory>>,
    findings: &mut mpsc::Receiver<Arc<Finding>>,
    lost: &(dyn Fn(u64) + Send + Sync),
    node: &str,
) {
    let told = queue.told(&report);
    let outcome = {
        let writing = writer.write(&report, told);
        tokio::pin!(writing);
        loop {
            tokio::select! {
                outcome = &mut writing => break outcome,
                Some(finding) = findings.recv() => {
                    let news = self::report(finding, &inventories.borrow(), node);
                    lost(news.map_or(0, |news| queue.note(news, Instant::now())));
                }
            }
        }
    };
    lost(queue.finished(report, outcome, Instant::now()));
}

/// What is to be told of a finding by this node; nothing if it is another's to tell.
fn report(finding: Arc<Finding>, inventory: &Inventory, node: &str) -> Option<Report> {
    if finding.severity == Severity::Info {
        return None;
    }
    let subject = subject::of(&finding, inventory, node)?;
    Some(Report::new(finding, subject))
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due.into()).await;
    }
}
