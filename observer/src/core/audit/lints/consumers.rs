//! `consumer-not-admitted`: who is declared to use a namespace, and would not get in.

mod targets;

use std::collections::BTreeMap;
use std::sync::Arc;

use arcstr::ArcStr;

use super::super::change::Place;
use super::super::draft::{Draft, Drafts, Subject};
use super::super::judge::Judge;
use super::super::report::RuleId;
use super::super::uses::{self, Use};
use super::super::view::View;
use crate::core::inventory::{Labels, Pod, Workload};
use crate::core::policy::model::{NetworkPolicy, Peer};
use crate::core::policy::{Connection, Decision, Direction, Party, Verdict, Who};
use targets::{Target, targets};

const RULE: RuleId = RuleId::ConsumerNotAdmitted;

pub(super) fn check(view: &View<'_>, judge: &Judge, out: &mut Drafts) {
    for consumer in consumers(view, out) {
        for (wanted, how) in &consumer.uses {
            let targets = targets(view, wanted);
            if let Some((verdict, policies)) = refused(view, judge, &consumer, &targets) {
                out.push(finding(view, &consumer, wanted, *how, &verdict, policies));
            }
        }
    }
}

/// Pods that use something.
struct Consumer<'s> {
    /// `Deployment pal-e-docs/pal-e-docs`, `Namespace pal-e-docs`.
    name: ArcStr,
    place: &'s Place,
    namespace: &'s ArcStr,
    workload: Option<&'s Workload>,
    pods: Vec<Arc<Pod>>,
    /// The pod stands for pods of which only the namespace is known.
    made_up: bool,
    uses: BTreeMap<Use, How>,
}

/// How it is known.
#[derive(Clone, Copy)]
enum How {
    Annotated,
    Inferred,
}

fn consumers<'s>(view: &'s View<'_>, out: &mut Drafts) -> Vec<Consumer<'s>> {
    let namespaces = view.change.namespaces.iter().filter_map(|namespace| {
        let name = &namespace.namespace.name;
        let uses = annotated(namespace.notes.uses.as_ref()?, &namespace.place, out);
        let known: Vec<_> = view.groups(name).iter().map(|group| Arc::clone(&group.pod)).collect();
        let made_up = known.is_empty();
        let pods = if made_up { vec![Arc::new(pod_of(name, Labels::new()))] } else { known };
        let (place, title) = (&namespace.place, arcstr::format!("Namespace {name}"));
        Some(Consumer { name: title, place, namespace: name, workload: None, pods, made_up, uses })
    });
    let mut consumers: Vec<_> = namespaces.collect();
    for template in &view.change.templates {
        let mut uses = template
            .notes
            .uses
            .as_ref()
            .map_or_else(BTreeMap::new, |uses| annotated(uses, &template.place, out));
        for found in template.strings.iter().flat_map(|text| uses::inferred(text)) {
            uses.entry(found).or_insert(How::Inferred);
        }
        if uses.is_empty() || template.pod.host_network {
            continue;
        }
        let (namespace, workload) = (&template.pod.namespace, &template.pod.workload);
        consumers.push(Consumer {
            name: arcstr::format!("{} {namespace}/{}", workload.kind, workload.name),
            place: &template.place,
            namespace,
            workload: Some(workload),
            pods: vec![Arc::clone(&template.pod)],
            made_up: false,
            uses,
        });
    }
    consumers
}

fn annotated(annotation: &str, place: &Place, out: &mut Drafts) -> BTreeMap<Use, How> {
    let mut uses = BTreeMap::new();
    for entry in uses::declared(annotation) {
        match entry {
            Ok(found) => drop(uses.insert(found, How::Annotated)),
            Err(entry) => {
                out.not_run(RULE, format!("{place}: `{entry}` is not NAMESPACE[/SERVICE][:PORT]"));
            }
        }
    }
    uses
}

/// A pod that only its labels are known of.
fn pod_of(namespace: &ArcStr, labels: Labels) -> Pod {
    Pod {
        namespace: namespace.clone(),
        name: ArcStr::new(),
        uid: ArcStr::new(),
        labels,
        node: None,
        ips: Vec::new(),
        host_network: false,
        finished: false,
        deleting: false,
        start: None,
        workload: Workload { kind: "Pod".into(), name: ArcStr::new() },
        ports: Vec::new(),
    }
}

/// The first refusal, if no pod gets through to any target.
fn refused(
    view: &View<'_>,
    judge: &Judge,
    consumer: &Consumer<'_>,
    targets: &[Target],
) -> Option<(Verdict, Vec<ArcStr>)> {
    let party = |pod| Party { ip: None, who: Who::Pod(pod) };
    let mut first = None;
    for pod in &consumer.pods {
        for Target { pod: target, port, protocol } in targets {
            let connection =
                Connection { src: party(pod), dst: party(target), protocol: *protocol, port: *port };
            match judge.decide(&connection) {
                Decision::Deny => _ = first.get_or_insert(connection),
                Decision::Allow | Decision::Unknown => return None,
            }
        }
    }
    let verdict = judge.explain(&first?);
    let policies = match verdict.denied_in()? {
        Direction::Ingress => &verdict.ingress.policies,
        Direction::Egress => &verdict.egress.policies,
    };
    // Rules may look at labels of pods that aren't known: one that admits any pod of the namespace is enough.
    let admitted = consumer.made_up
        && policies.iter().any(|name| admits_some(view, name, consumer.namespace, verdict.denied_in()));
    let policies = policies.clone();
    (!admitted).then_some((verdict, policies))
}

/// Whether a policy admits some pod of the namespace; or, at the source, whether it may select none of its pods.
fn admits_some(view: &View<'_>, policy: &str, namespace: &ArcStr, denied: Option<Direction>) -> bool {
    let Some((of, name)) = policy.split_once('/') else { return false };
    let Some(policy) = view.policies(of).iter().find(|p| p.name == name) else { return false };
    if denied == Some(Direction::Egress) {
        return !policy.selector.requirements.is_empty();
    }
    let admits = |peer: &Peer| match peer {
        Peer::Pods { namespaces, .. } => {
            view.peer_namespaces(policy, namespaces.as_ref()).contains(namespace)
        }
        Peer::Block { .. } => false,
    };
    let NetworkPolicy { ingress, .. } = &***policy;
    ingress.iter().flatten().any(|rule| rule.peers.is_empty() || rule.peers.iter().any(admits))
}

fn finding(
    view: &View<'_>,
    consumer: &Consumer<'_>,
    wanted: &Use,
    how: How,
    verdict: &Verdict,
    policies: Vec<ArcStr>,
) -> Draft {
    let declared = match how {
        How::Annotated => "is declared (flow-observer.io/uses) to use",
        How::Inferred => "names in its environment or arguments, and so uses,",
    };
    let explanation = &verdict.explanation;
    let message = format!("{} {declared} {wanted}, but would be {explanation}", consumer.name);
    let place = policies.iter().find_map(|policy| view.place(policy)).unwrap_or(consumer.place);
    let draft = Draft::new(RULE, consumer.name.clone(), message).at(Some(place));
    let draft =
        draft.about(Subject::Policies(policies)).about(Subject::Namespace(consumer.namespace.clone()));
    match consumer.workload {
        Some(workload) => draft.about(Subject::Workload(consumer.namespace.clone(), workload.clone())),
        None => draft,
    }
}
