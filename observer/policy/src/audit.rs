//! Proposed policies before they are applied: which observed connections they would refuse, and which of their parts
//! are likely mistakes.

mod change;
mod coverage;
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

use flow_model::baseline::{Baseline, Missing};
use flow_model::inventory::Inventory;
use flow_model::policies::BrokenPolicy;

use draft::{Drafts, OptOuts};
use judge::Judge;
use view::View;

pub use change::{Change, Notes, Place, Proposed, ProposedNamespace, Removed, Template, Unjudged};
pub use coverage::flows_of;
pub use merge::join;
pub use report::{
    AuditFinding, FlowGroup, Ignored, Judged, Level, MissingNode, Nodes, NotRun, Report, RuleId, Side,
};

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
    report.unjudged.extend(baselines.iter().filter(|baseline| baseline.lost > 0).map(lost));
    report.unjudged.extend(baselines.iter().flat_map(|baseline| &baseline.missing).map(missing));
    report.nodes = coverage::nodes(baselines, &before);
    report.unjudged.extend(report.nodes.as_ref().and_then(coverage::unjudged));
    if !baselines.is_empty() {
        let flows = flows::Flows { view: &view, before: &before, flows: &flows };
        flows.judge(&judge, &mut out, &mut report);
    }
    if !report.unknown.is_empty() {
        report.unjudged.extend(still_broken(&before, &after).map(unread));
    }
    out.finish(&OptOuts::new(change, &after), &mut report);
    report
}

/// Describes the flows that a baseline lacks.
fn lost(Baseline { node, lost, .. }: &Baseline) -> Unjudged {
    let flows = if *lost == 1 { "flow" } else { "flows" };
    Unjudged {
        place: None,
        object: arcstr::format!("baseline of node {node}"),
        why: format!("lacks {lost} {flows} that gave way to newer ones"),
    }
}

/// Describes what a baseline lacks because it could not be read.
fn missing(Missing { what, why }: &Missing) -> Unjudged {
    Unjudged { place: None, object: what.clone(), why: format!("missing in the snapshot: {why}") }
}

/// Returns the policies of the cluster that can't be read or aren't judged, and that the change leaves there.
fn still_broken<'a>(before: &'a Inventory, after: &'a Inventory) -> impl Iterator<Item = &'a BrokenPolicy> {
    let stays =
        |policy: &&Arc<BrokenPolicy>| after.policies.broken.iter().any(|after| Arc::ptr_eq(after, policy));
    before.policies.broken.iter().filter(stays).map(|policy| &**policy)
}

/// Describes such a policy: the verdict on a flow may depend on it.
fn unread(policy: &BrokenPolicy) -> Unjudged {
    let object = match policy.name.is_empty() {
        true => policy.kind.clone(),
        false => arcstr::format!("{} {}", policy.kind, policy.object_ref()),
    };
    let why = format!("it is in the cluster, and may decide on the pods that it may select: {}", policy.why);
    Unjudged { place: None, object, why }
}
