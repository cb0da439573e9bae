//! `flow-denied`: every observed flow, judged by the policies as they would be and as they are.

mod parties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_identity::Possible;
use flow_model::baseline::{BaselineEnd, BaselineFlow};
use flow_model::decision::Decision;
use flow_model::inventory::{Inventory, Workload};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{Direction, Protocol};

use crate::agreement::why_unknown;
use crate::audit::change::{Change, Place};
use crate::audit::draft::{Draft, Drafts, Subject};
use crate::audit::effective::Gone;
use crate::audit::judge::Judge;
use crate::audit::report::{FlowGroup, Judged, Level, Report, RuleId, Side};
use crate::audit::view::View;
use parties::Parties;

/// At most this many groups are explained. If there are more, the change has a more general fault.
const EXPLAINED: usize = 1_000;

/// Holds what is compared.
pub(super) struct Flows<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) before: &'a Arc<Inventory>,
    pub(super) flows: &'a [BaselineFlow],
}

/// Identifies a group of flows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    src: End,
    dst: End,
    port: u16,
    protocol: Protocol,
    after: Decision,
    before: Decision,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Workload(ArcStr, Workload),
    Node(ArcStr),
    Address(IpAddr),
}

/// Holds the flows of one [`Key`], and the first of them.
struct Gathered<'a> {
    example: &'a BaselineFlow,
    group: FlowGroup,
}

impl Flows<'_> {
    /// Adds a finding for every group that would be refused. Groups with an unknown decision go to the report.
    pub(super) fn judge(&self, judge: &Judge, out: &mut Drafts, report: &mut Report) {
        let (after, before) =
            (Parties::new(self.view.after, self.flows), Parties::new(self.before, self.flows));
        let today = Judge::new(self.before);
        let gone = Gone::new(&self.view.change.removed);
        let mut judged = Judged::default();
        let mut groups: BTreeMap<Key, Gathered<'_>> = BTreeMap::new();
        for flow in self.flows.iter().filter(|flow| !is_gone(&gone, flow)) {
            let decision = judge.agreed(&after.possible(flow)).unwrap_or(Decision::Unknown);
            judged.judged += 1;
            *judged.of(decision) += 1;
            if decision != Decision::Allow {
                let now = today.agreed(&before.possible(flow)).unwrap_or(Decision::Unknown);
                gather(&mut groups, flow, decision, now);
            }
        }
        for (index, Gathered { example, group }) in groups.into_values().enumerate() {
            let group = match index < EXPLAINED {
                true => explained(group, judge, &after.possible(example)),
                false => group,
            };
            match group.after {
                Decision::Deny => out.push(self.finding(example, group)),
                Decision::Allow | Decision::Unknown => report.unknown.push(group),
            }
        }
        report.flows = Some(judged);
    }

    fn finding(&self, example: &BaselineFlow, group: FlowGroup) -> Draft {
        let place = group.nearest.iter().map(|nearest| &nearest.policy).chain(&group.policies);
        let policy = { place }.find_map(|name| Some((name, self.view.place(name)?)));
        let object =
            policy.map_or_else(|| subject(&group), |(name, _)| arcstr::format!("NetworkPolicy {name}"));
        let place = policy.map(|(_, place)| place).or_else(|| removed(self.view.change, &group));
        let level = if group.before == Decision::Deny { Level::Warning } else { Level::Error };
        let draft = Draft::new(RuleId::FlowDenied, object, message(&group)).at(place).level(level);
        let draft = match group.policies.is_empty() {
            true => draft,
            false => draft.about(Subject::Policies(group.policies.clone())),
        };
        let ends = [&example.src, &example.dst].into_iter();
        let draft = ends.filter_map(end_subjects).flatten().fold(draft, Draft::about);
        draft.flow(group)
    }
}

impl Judged {
    fn of(&mut self, decision: Decision) -> &mut usize {
        match decision {
            Decision::Allow => &mut self.allowed,
            Decision::Deny => &mut self.denied,
            Decision::Unknown => &mut self.unknown,
        }
    }
}

/// Is true when the change deletes a workload of the flow, which then makes no connections.
fn is_gone(gone: &Gone<'_>, flow: &BaselineFlow) -> bool {
    [&flow.src, &flow.dst].into_iter().any(|end| match (&end.namespace, &end.kind, &end.workload) {
        (Some(namespace), Some(kind), Some(workload)) => {
            gone.object(kind, &ObjectRef::new(namespace.clone(), workload.clone()))
        }
        _ => false,
    })
}

fn gather<'a>(
    groups: &mut BTreeMap<Key, Gathered<'a>>,
    flow: &'a BaselineFlow,
    after: Decision,
    before: Decision,
) {
    let (src, dst) = (end(&flow.src), end(&flow.dst));
    let key = Key { src, dst, port: flow.port, protocol: flow.protocol, after, before };
    let gathered =
        groups.entry(key).or_insert_with(|| Gathered { example: flow, group: group(flow, after, before) });
    let group = &mut gathered.group;
    group.count = group.count.saturating_add(flow.count);
    group.open = group.open.saturating_add(flow.open);
    group.first_seen = group.first_seen.min(Some(flow.first_seen));
    group.last_seen = group.last_seen.max(Some(flow.last_seen));
}

fn group(flow: &BaselineFlow, after: Decision, before: Decision) -> FlowGroup {
    FlowGroup {
        src: side(&flow.src),
        dst: side(&flow.dst),
        port: flow.port,
        protocol: flow.protocol,
        count: 0,
        open: 0,
        first_seen: Some(flow.first_seen),
        last_seen: None,
        before,
        after,
        direction: None,
        policies: Vec::new(),
        nearest: None,
        explanation: "not explained: too many flows are refused".to_owned(),
    }
}

fn explained(mut group: FlowGroup, judge: &Judge, possible: &Possible<'_>) -> FlowGroup {
    let (Some(_), Some(first)) = (judge.agreed(possible), possible.passages().next()) else {
        group.explanation = why_unknown(possible);
        return group;
    };
    let verdict = judge.explain_passage(&first);
    group.direction = verdict.denied_in();
    let direction = match group.direction {
        Some(Direction::Egress) => verdict.egress,
        Some(Direction::Ingress) | None => verdict.ingress,
    };
    if group.direction.is_some() {
        group.policies = direction.policies;
        group.nearest = direction.nearest;
    }
    group.explanation = verdict.explanation;
    group
}

fn end(end: &BaselineEnd) -> End {
    match (&end.namespace, workload(end), &end.node) {
        (Some(namespace), Some(workload), _) => End::Workload(namespace.clone(), workload),
        (_, _, Some(node)) => End::Node(node.clone()),
        _ => End::Address(end.ip),
    }
}

fn workload(end: &BaselineEnd) -> Option<Workload> {
    let name = end.workload.as_ref().or(end.pod.as_ref())?.clone();
    Some(Workload { kind: end.kind.clone().unwrap_or_default(), name })
}

fn side(end: &BaselineEnd) -> Side {
    let pod = end.namespace.is_some();
    Side {
        namespace: end.namespace.clone(),
        workload: workload(end).map(|workload| workload.name),
        kind: end.kind.clone(),
        node: end.node.clone().filter(|_| !pod),
        service: end.service.clone(),
        ip: Some(end.ip).filter(|_| !pod),
    }
}

fn end_subjects(end: &BaselineEnd) -> Option<Vec<Subject>> {
    let namespace = end.namespace.clone()?;
    let workload = workload(end).map(|workload| Subject::Workload(namespace.clone(), workload));
    Some(workload.into_iter().chain([Subject::Namespace(namespace)]).collect())
}

fn subject(group: &FlowGroup) -> ArcStr {
    arcstr::format!("{} -> {}", group.src, group.dst)
}

/// Returns a policy that the change deletes from these namespaces: where no policy of the change refuses, that one may
/// have admitted.
fn removed<'a>(change: &'a Change, group: &FlowGroup) -> Option<&'a Place> {
    let of: HashSet<_> = [&group.dst.namespace, &group.src.namespace].into_iter().flatten().collect();
    let policy = |kind: &str| kind == "NetworkPolicy";
    change.removed.iter().find(|r| policy(&r.kind) && of.contains(&r.object.namespace)).map(|r| &r.place)
}

fn message(group: &FlowGroup) -> String {
    let FlowGroup { src, dst, port, protocol, explanation, .. } = group;
    let protocol = match protocol {
        Protocol::Tcp => "",
        Protocol::Udp => "/UDP",
        Protocol::Sctp => "/SCTP",
    };
    let service = dst.service.as_ref().map_or(String::new(), |service| format!(" (Service {service})"));
    let seen = match (group.count, group.open) {
        (count, 0) => format!("{count} connection{} seen", if count == 1 { "" } else { "s" }),
        (count, open) => format!("{count} connection{} seen, {open} open", if count == 1 { "" } else { "s" }),
    };
    let last = group.last_seen.map_or(String::new(), |time| format!(", last at {time:.0}"));
    let today = match group.before {
        Decision::Allow => "today's policies allow it",
        Decision::Deny => "today's policies refuse it already",
        Decision::Unknown => "what today's policies say is not known",
    };
    format!(
        "{src} could not connect to {dst}:{port}{protocol}{service} any more: {explanation}; {seen}{last}; {today}"
    )
}
