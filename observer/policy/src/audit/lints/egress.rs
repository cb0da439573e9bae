//! `egress-without-dns` and `egress-without-apiserver`: what isolated pods can't do without.

mod apiserver;
mod dns;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{NetworkPolicy, PortMatch, PortSet, Protocol, Rule};

use crate::audit::draft::{Draft, Drafts, Subject};
use crate::audit::report::{Level, RuleId};
use crate::audit::view::{Group, View};

pub(super) fn check(view: &View<'_>, out: &mut Drafts) {
    let dns = dns::Dns::new(view);
    let apiserver = apiserver::ApiServer::new(view);
    for isolated in isolated(view) {
        if let Some((level, message)) = dns.problem(view, &isolated) {
            let groups: Vec<_> = isolated.groups.iter().collect();
            out.push(isolated.draft(view, RuleId::EgressWithoutDns, level, &groups, &message));
        }
        if let Some((message, groups)) = apiserver.problem(&isolated) {
            let level = RuleId::EgressWithoutApiserver.level();
            out.push(isolated.draft(view, RuleId::EgressWithoutApiserver, level, &groups, &message));
        }
    }
}

/// Groups the pods of a namespace whose egress the same policies decide.
struct Isolated<'s> {
    namespace: ArcStr,
    /// The pods; empty where no pod of the namespace is known, and all its policies are taken together.
    groups: Vec<&'s Group>,
    /// The policies, sorted by name.
    policies: Vec<&'s Arc<NetworkPolicy>>,
}

impl<'s> Isolated<'s> {
    fn rules(&self) -> impl Iterator<Item = (&'s NetworkPolicy, &'s Rule)> {
        self.policies.iter().flat_map(|p| p.egress.iter().flatten().map(move |rule| (&***p, rule)))
    }

    /// Makes a finding about some of the pods, at the first policy that the change proposes.
    fn draft(&self, view: &View<'_>, rule: RuleId, level: Level, groups: &[&&Group], message: &str) -> Draft {
        let workloads: BTreeSet<_> = groups.iter().map(|group| &group.pod.workload).collect();
        let who = match workloads.len() {
            0 => format!("pods of namespace {}", self.namespace),
            _ => format!("{}/{}", self.namespace, some(workloads.iter().map(|workload| &*workload.name))),
        };
        let names: Vec<ObjectRef> = self.policies.iter().map(|p| p.object_ref()).collect();
        let first = names.iter().find_map(|name| Some((name, view.place(name)?)));
        let object =
            first.map_or_else(|| self.namespace.clone(), |(name, _)| arcstr::format!("NetworkPolicy {name}"));
        let message = format!("{who}: egress is isolated by {} and {message}", some(names.iter()));
        let draft = Draft::new(rule, object, message).level(level).at(first.map(|(_, place)| place));
        let draft = draft.about(Subject::Policies(names)).about(Subject::Namespace(self.namespace.clone()));
        match workloads.first() {
            Some(only) if workloads.len() == 1 => {
                draft.about(Subject::Workload(self.namespace.clone(), (*only).clone()))
            }
            _ => draft,
        }
    }
}

/// Lists the first few, and counts the others.
fn some(names: impl ExactSizeIterator<Item = impl Display>) -> String {
    const SHOWN: usize = 3;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.take(SHOWN).map(|name| name.to_string()).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// Returns the pods that a policy of the change isolates.
fn isolated<'s>(view: &'s View<'_>) -> Vec<Isolated<'s>> {
    let namespaces: BTreeSet<_> =
        view.proposed().filter(|p| p.object.egress.is_some()).map(|p| &p.object.namespace).collect();
    namespaces.into_iter().flat_map(|namespace| isolated_in(view, namespace)).collect()
}

fn isolated_in<'s>(view: &'s View<'_>, namespace: &ArcStr) -> Vec<Isolated<'s>> {
    let policies: Vec<_> = view.policies(namespace).iter().copied().filter(|p| p.egress.is_some()).collect();
    if !view.knows_pods_of(namespace) {
        return vec![Isolated { namespace: namespace.clone(), groups: Vec::new(), policies }];
    }
    let proposed: Vec<bool> = policies.iter().map(|p| view.place(&p.object_ref()).is_some()).collect();
    let mut by_policies: BTreeMap<Vec<usize>, Vec<&Group>> = BTreeMap::new();
    for group in view.groups(namespace) {
        let selects = |i: &usize| policies[*i].selector.matches(&group.pod.labels);
        let selecting: Vec<usize> = (0..policies.len()).filter(selects).collect();
        if selecting.iter().any(|i| proposed[*i]) {
            by_policies.entry(selecting).or_default().push(group);
        }
    }
    let isolated = by_policies.into_iter().map(|(selecting, groups)| Isolated {
        namespace: namespace.clone(),
        groups,
        policies: selecting.into_iter().map(|i| policies[i]).collect(),
    });
    isolated.collect()
}

/// Describes how a rule's ports admit one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lets {
    No,
    /// The rule admits it together with all others: the port is not the purpose of the rule.
    Generally,
    /// The rule names it by number or name.
    Expressly,
}

/// Finds out whether the rule's ports contain a number, or a name that `names` accepts for it.
fn lets(rule: &Rule, protocol: Protocol, number: u16, names: &dyn Fn(&ArcStr) -> bool) -> Lets {
    if rule.ports.is_empty() {
        return Lets::Generally;
    }
    let one = |port: &PortMatch| match &port.port {
        _ if port.protocol != protocol => Lets::No,
        PortSet::All | PortSet::Range(0 | 1, u16::MAX) => Lets::Generally,
        PortSet::Range(first, last) if (*first..=*last).contains(&number) => Lets::Expressly,
        PortSet::Named(name) if names(name) => Lets::Expressly,
        PortSet::Range(..) | PortSet::Named(_) => Lets::No,
    };
    rule.ports.iter().map(one).max().unwrap_or(Lets::No)
}
