//! `consumer-not-admitted`: pods that are declared to use a namespace, and that its policies would refuse.

mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::{Decision, Verdict};
use flow_model::inventory::{Labels, Pod, Workload};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{Direction, Peer};

use crate::audit::change::Place;
use crate::audit::draft::{Draft, Drafts, Subject};
use crate::audit::judge::Judge;
use crate::audit::report::RuleId;
use crate::audit::selector::{NAME, example};
use crate::audit::suggest;
use crate::audit::uses::{self, Use};
use crate::audit::view::View;
use targets::{Target, targets};

const RULE: RuleId = RuleId::ConsumerNotAdmitted;
/// At most this many sets of labels are tried for pods that aren't known, per side that requires labels.
const MADE_UP: usize = 16;

pub(super) fn check(view: &View<'_>, judge: &Judge, out: &mut Drafts) {
    for consumer in consumers(view, out) {
        for (wanted, how) in &consumer.uses {
            if !view.knows_namespace(&wanted.namespace) {
                // Texts may contain anything; an annotation is deliberate.
                if matches!(how, How::Annotated) {
                    out.not_run(RULE, unheard_of(view, &consumer, wanted));
                }
            } else if let Some((verdict, policies)) = refused(view, judge, &consumer, wanted) {
                out.push(finding(view, &consumer, wanted, *how, &verdict, policies));
            }
        }
    }
}

fn unheard_of(view: &View<'_>, consumer: &Consumer<'_>, wanted: &Use) -> String {
    let names: Vec<_> = view.namespace_labels().filter_map(|labels| labels.get(NAME)).collect();
    let near = suggest::names(&wanted.namespace, names.into_iter());
    let question = suggest::question(&near.iter().map(ToString::to_string).collect::<Vec<_>>());
    format!("{} uses {wanted}, of which nothing is known{question}", consumer.name)
}

/// Describes pods that use something.
struct Consumer<'s> {
    /// `Deployment pal-e-docs/pal-e-docs`, `Namespace pal-e-docs`.
    name: ArcStr,
    place: &'s Place,
    namespace: &'s ArcStr,
    workload: Option<&'s Workload>,
    /// The pods; empty where only the namespace is known.
    pods: Vec<Arc<Pod>>,
    uses: BTreeMap<Use, How>,
}

/// The evidence for the use.
#[derive(Clone, Copy)]
enum How {
    Annotated,
    Inferred,
}

fn consumers<'s>(view: &'s View<'_>, out: &mut Drafts) -> Vec<Consumer<'s>> {
    let namespaces = view.change.namespaces.iter().filter_map(|namespace| {
        let name = &namespace.namespace.name;
        let uses = annotated(namespace.notes.uses.as_ref()?, &namespace.place, out);
        let pods = view.groups(name).iter().map(|group| Arc::clone(&group.pod)).collect();
        let (place, title) = (&namespace.place, arcstr::format!("Namespace {name}"));
        Some(Consumer { name: title, place, namespace: name, workload: None, pods, uses })
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

/// Makes a pod of which only the labels are known.
fn pod_of(namespace: &ArcStr, labels: Labels) -> Pod {
    Pod {
        namespace: namespace.clone(),
        labels,
        workload: Workload { kind: "Pod".into(), name: ArcStr::new() },
        ..Pod::default()
    }
}

/// Returns the first refusal, if no pod is admitted to any target.
fn refused(
    view: &View<'_>,
    judge: &Judge,
    consumer: &Consumer<'_>,
    wanted: &Use,
) -> Option<(Verdict, Vec<ObjectRef>)> {
    let party = |pod| Party { ip: None, who: Who::Pod(pod) };
    let targets = targets(view, wanted);
    let made_up = consumer.pods.is_empty().then(|| made_up(view, consumer.namespace, &wanted.namespace));
    let pods = made_up.as_ref().unwrap_or(&consumer.pods);
    let mut first = None;
    for pod in pods {
        for Target { pod: target, port, protocol } in &targets {
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
        Direction::Ingress => verdict.ingress.policies.clone(),
        Direction::Egress => verdict.egress.policies.clone(),
    };
    Some((verdict, policies))
}

/// Makes pods that a namespace without known pods may have: one without labels, and some with labels that rules for it
/// require.
fn made_up(view: &View<'_>, namespace: &ArcStr, wanted: &ArcStr) -> Vec<Arc<Pod>> {
    let rules = view.policies(wanted).iter().flat_map(|p| p.ingress.iter().flatten());
    let asked = rules.flat_map(|rule| &rule.peers).filter_map(|peer| match peer {
        Peer::Pods { pods: Some(pods), .. } => Some(example(pods)),
        Peer::Pods { pods: None, .. } | Peer::Block { .. } => None,
    });
    let selected = view.policies(namespace).iter().map(|p| example(&p.selector));
    let some = |labels: &mut dyn Iterator<Item = Labels>| -> BTreeSet<Labels> {
        labels.take(MADE_UP).chain([Labels::new()]).collect()
    };
    let (asked, selected) = (some(&mut { asked }), some(&mut { selected }));
    let both = asked.iter().flat_map(|a| {
        selected
            .iter()
            .map(move |b| b.iter().chain(a).map(|(k, v)| (k.clone(), v.clone())).collect::<Labels>())
    });
    both.map(|labels| Arc::new(pod_of(namespace, labels))).collect()
}

fn finding(
    view: &View<'_>,
    consumer: &Consumer<'_>,
    wanted: &Use,
    how: How,
    verdict: &Verdict,
    policies: Vec<ObjectRef>,
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
