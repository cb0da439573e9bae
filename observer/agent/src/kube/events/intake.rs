//! Takes findings: decides which of them this agent reports, combines them, and counts what waits and what is lost.

use std::sync::Arc;
use std::time::Instant;

use arcstr::ArcStr;
use flow_model::finding::{Finding, Severity};
use flow_model::inventory::Inventory;
use tokio::sync::{mpsc, watch};

use crate::kube::events::Reporting;
use crate::kube::events::combined::Combining;
use crate::kube::events::queue::Queue;
use crate::kube::events::report::{Outcome, Report};
use crate::kube::events::subject;

/// Everything between a finding and its Event's turn.
pub(super) struct Intake {
    pub(super) queue: Queue,
    combining: Combining,
    node: ArcStr,
    inventories: watch::Receiver<Arc<Inventory>>,
    lost: Box<dyn Fn(u64) + Send + Sync>,
    pending: Box<dyn Fn(usize) + Send + Sync>,
}

impl Intake {
    pub(super) fn new(reporting: Reporting, now: Instant) -> (Self, mpsc::Receiver<Arc<Finding>>) {
        let Reporting { access: _, node, limits, findings, inventories, lost, pending } = reporting;
        let queue = Queue::new(limits, now);
        (Self { queue, combining: Combining::new(), node, inventories, lost, pending }, findings)
    }

    /// Takes the newest state of a finding.
    pub(super) fn note(&mut self, finding: Arc<Finding>, now: Instant) {
        let Some(report) = self.report(finding) else { return };
        let reports = self.combining.note(report, now);
        let unheard = u64::from(reports.is_empty());
        let lost = reports.into_iter().map(|report| self.queue.note(report, now)).sum::<u64>();
        (self.lost)(lost + unheard);
        (self.pending)(self.queue.len());
    }

    /// Takes the outcome of a write.
    pub(super) fn finished(&mut self, report: Report, outcome: Outcome, now: Instant) {
        (self.lost)(self.queue.finished(report, outcome, now));
        (self.pending)(self.queue.len());
    }

    /// Is true unless the report is about a pod that is gone.
    pub(super) fn is_there(&self, report: &Report) -> bool {
        subject::is_there(&report.subject, &self.inventories.borrow())
    }

    /// Returns what this node's agent reports about a finding, if no other agent reports it.
    fn report(&self, finding: Arc<Finding>) -> Option<Report> {
        if finding.severity == Severity::Info {
            return None;
        }
        let subject = subject::of(&finding, &self.inventories.borrow(), &self.node)?;
        Some(Report::new(finding, subject))
    }
}
