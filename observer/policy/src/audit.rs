//! Proposed policies before they are applied: which observed connections they would refuse, and which of their parts
//! are likely mistakes.

mod change;
mod draft;
mod effective;
mod flows;
mod judge;
mod lints;
mod merge;
mod report;
mod selector;
mod suggest;
mod uses;
mod view;

use std::sync::Arc;

use flow_model::baseline::Baseline;

use draft::{Drafts, OptOuts};
use judge::Judge;
use view::View;

pub use change::{Change, Notes, Place, Proposed, ProposedNamespace, Removed, Template, Unjudged};
pub use report::{AuditFinding, FlowGroup, Ignored, Judged, Level, NotRun, Report, RuleId, Side};

/// Audits a change. Without baselines no flows are judged, and the change alone is the cluster.
#[must_use]
pub fn audit(change: &Change, baselines: &[Baseline]) -> Report {
    let merge::Merged { inventory: mut before, flows } = merge::merge(baselines);
    if let Some(enforcer) = change.enforcer {
        Arc::make_mut(&mut before).enforcer = enforcer;
    }
    let after = Arc::new(effective::after(&before, change));
    let view = View::new(change, &after, !before.pods.is_empty());
    let judge = Judge::new(&after);
    let mut report = Report {
        policies: change.policy_count(),
        unjudged: change.all_unjudged(),
        notes: change.notes.clone(),
        ..Report::default()
    };
    let mut out = Drafts::default();
    lints::run(&view, &judge, &mut out);
    for baseline in baselines.iter().filter(|baseline| baseline.lost > 0) {
        let Baseline { node, lost, .. } = baseline;
        report
            .notes
            .push(format!("the baseline of node {node} lacks {lost} flows that gave way to newer ones"));
    }
    if !baselines.is_empty() {
        let flows = flows::Flows { view: &view, before: &before, flows: &flows };
        flows.judge(&judge, &mut out, &mut report);
    }
    out.finish(&OptOuts::new(change, &after), &mut report);
    report
}
