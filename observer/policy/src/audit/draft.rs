//! Findings in the making: collected by the checks, then sorted into those that count and those opted out of.

use std::collections::{BTreeSet, HashMap};

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Workload};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::NetworkPolicy;

use crate::audit::change::{Change, Place};
use crate::audit::report::{AuditFinding, FlowGroup, Ignored, Level, NotRun, Report, RuleId};

/// Collects the findings of the checks.
#[derive(Default)]
pub(super) struct Drafts {
    drafts: Vec<Draft>,
    not_run: BTreeSet<NotRun>,
}

/// Holds a finding and its subjects.
pub(super) struct Draft {
    finding: AuditFinding,
    subjects: Vec<Subject>,
}

/// Names an object whose annotation can opt out of a finding.
pub(super) enum Subject {
    /// All of these policies (`namespace/name`) must opt out.
    Policies(Vec<ObjectRef>),
    Workload(ArcStr, Workload),
    Namespace(ArcStr),
}

impl Draft {
    pub(super) fn new(rule: RuleId, object: ArcStr, message: impl Into<String>) -> Self {
        let (level, message) = (rule.level(), message.into());
        let finding = AuditFinding { rule, level, place: None, object, message, flow: None };
        Self { finding, subjects: Vec::new() }
    }

    /// Makes a finding about a policy of the change.
    pub(super) fn policy(
        rule: RuleId,
        policy: &NetworkPolicy,
        place: &Place,
        message: impl Into<String>,
    ) -> Self {
        let name = policy.object_ref();
        Self::new(rule, arcstr::format!("NetworkPolicy {name}"), message)
            .at(Some(place))
            .about(Subject::Policies(vec![name]))
            .about(Subject::Namespace(policy.namespace.clone()))
    }

    pub(super) fn at(mut self, place: Option<&Place>) -> Self {
        self.finding.place = place.cloned();
        self
    }

    pub(super) fn about(mut self, subject: Subject) -> Self {
        self.subjects.push(subject);
        self
    }

    pub(super) fn flow(mut self, flow: FlowGroup) -> Self {
        self.finding.flow = Some(Box::new(flow));
        self
    }

    pub(super) fn level(mut self, level: Level) -> Self {
        self.finding.level = level;
        self
    }
}

impl Drafts {
    pub(super) fn push(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    pub(super) fn not_run(&mut self, rule: RuleId, why: impl Into<String>) {
        self.not_run.insert(NotRun { rule, why: why.into() });
    }

    /// Sorts the findings into a report.
    pub(super) fn finish(self, opt_outs: &OptOuts<'_>, report: &mut Report) {
        for Draft { mut finding, subjects } in self.drafts {
            match opt_outs.of(&subjects) {
                OptOut::Reason(reason) => report.ignored.push(Ignored { finding, reason }),
                OptOut::NoReason => {
                    finding
                        .message
                        .push_str(" (flow-observer.io/audit-ignore gives no reason, so it doesn't count)");
                    report.findings.push(finding);
                }
                OptOut::No => report.findings.push(finding),
            }
        }
        let key = |f: &AuditFinding| (f.place.clone(), f.rule, f.object.clone(), f.message.clone());
        report.findings.sort_by_cached_key(key);
        report.ignored.sort_by_cached_key(|i| key(&i.finding));
        report.not_run = self.not_run.into_iter().collect();
    }
}

/// Holds the annotations `flow-observer.io/audit-ignore` of all objects.
pub(super) struct OptOuts<'a> {
    policies: HashMap<ObjectRef, &'a ArcStr>,
    workloads: HashMap<(&'a ArcStr, &'a Workload), &'a ArcStr>,
    namespaces: HashMap<&'a ArcStr, &'a ArcStr>,
}

enum OptOut {
    No,
    NoReason,
    Reason(ArcStr),
}

impl<'a> OptOuts<'a> {
    pub(super) fn new(change: &'a Change, after: &'a Inventory) -> Self {
        let namespaced = after.policies.namespaced.iter();
        let namespaced = namespaced.filter_map(|p| Some((p.object_ref(), p.origin.audit_ignore.as_ref()?)));
        let tiered = after.policies.tiered.iter();
        let tiered = tiered.filter_map(|p| Some((p.object_ref(), p.origin.audit_ignore.as_ref()?)));
        let workloads = change.templates.iter();
        let namespaces = change.namespaces.iter();
        Self {
            policies: namespaced.chain(tiered).collect(),
            workloads: workloads
                .filter_map(|t| Some(((&t.pod.namespace, &t.pod.workload), t.notes.ignore.as_ref()?)))
                .collect(),
            namespaces: namespaces
                .filter_map(|n| Some((&n.namespace.name, n.notes.ignore.as_ref()?)))
                .collect(),
        }
    }

    fn of(&self, subjects: &[Subject]) -> OptOut {
        let mut answer = OptOut::No;
        for reason in subjects.iter().filter_map(|subject| self.reason(subject)) {
            if !reason.trim().is_empty() {
                return OptOut::Reason(reason.clone());
            }
            answer = OptOut::NoReason;
        }
        answer
    }

    fn reason(&self, subject: &Subject) -> Option<&'a ArcStr> {
        match subject {
            Subject::Policies(names) => {
                let reasons: Option<Vec<_>> =
                    names.iter().map(|name| self.policies.get(name).copied()).collect();
                let mut reasons = reasons?;
                // An object without a reason keeps the finding.
                reasons.sort_by_key(|reason| !reason.trim().is_empty());
                reasons.first().copied()
            }
            Subject::Workload(namespace, workload) => self.workloads.get(&(namespace, workload)).copied(),
            Subject::Namespace(namespace) => self.namespaces.get(namespace).copied(),
        }
    }
}
