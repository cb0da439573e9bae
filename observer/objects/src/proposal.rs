//! Manifests as proposed changes, which the audit judges.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Labels, Pod, Workload};
use flow_policy::audit::{Change, Notes, Place, Proposed, ProposedNamespace, Template};

use crate::manifests::{self, Manifests};

const USES: &str = "flow-observer.io/uses";
const IGNORE: &str = "flow-observer.io/audit-ignore";

/// Is true for a problem of a document that could not be parsed, so that anything may have been in it.
#[must_use]
pub fn is_damage(message: &str) -> bool {
    ["not valid", "not UTF-8", "can't be read"].iter().any(|start| message.starts_with(start))
}

/// Turns the place of an object into the place that the report names.
pub type Locate<'a> = &'a dyn Fn(&manifests::Place) -> Place;

/// Returns what applying the manifests would change in the cluster.
#[must_use]
pub fn change(manifests: Manifests, locate: Locate<'_>) -> Change {
    let Manifests { inventory, templates, places, namespace_annotations, bound_accounts, problems } =
        manifests;
    let at = |kind: &str, namespace: &ArcStr, name: &ArcStr| {
        let place = places.get(&(kind.into(), namespace.clone(), name.clone()));
        place.map_or_else(|| Place::Resource(arcstr::format!("{kind} {name}")), locate)
    };
    let none = ArcStr::new();
    let policies = &inventory.policies;
    let mut change = Change {
        policies: proposed(&policies.namespaced, |p| at("NetworkPolicy", &p.namespace, &p.name)),
        tiered: proposed(&policies.tiered, |p| at(p.kind.as_str(), &none, &p.name)),
        broken: proposed(&policies.broken, |p| at(&p.kind, &p.namespace, &p.name)),
        services: inventory.services.clone(),
        pods: inventory.pods.clone(),
        bound: bound_accounts.into_iter().collect(),
        ..Change::default()
    };
    change.namespaces.extend(inventory.namespaces.iter().map(|namespace| ProposedNamespace {
        namespace: Arc::clone(namespace),
        notes: namespace_annotations.get(&namespace.name).map(notes).unwrap_or_default(),
        place: at("Namespace", &none, &namespace.name),
    }));
    for template in templates.into_iter().filter(|template| !template.controlled) {
        let place = at(&template.kind, &template.namespace, &template.name);
        change.templates.push(self::template(template, &inventory.pods, place));
    }
    for problem in problems {
        let place = locate(&manifests::Place { file: problem.file, line: problem.line });
        let told = || policies.broken.iter().any(|broken| problem.message.ends_with(&*broken.why));
        match &problem.message {
            message if is_damage(message) => change.unreadable.push((place, message.clone())),
            _ if told() => {}
            message => change.notes.push(format!("{place}: {message}")),
        }
    }
    change
}

fn proposed<T>(objects: &[Arc<T>], place: impl Fn(&T) -> Place) -> Vec<Proposed<T>> {
    objects.iter().map(|object| Proposed { object: Arc::clone(object), place: place(object) }).collect()
}

fn notes(annotations: &Labels) -> Notes {
    Notes { uses: annotations.get(USES).cloned(), ignore: annotations.get(IGNORE).cloned() }
}

fn template(template: manifests::Template, pods: &[Arc<Pod>], place: Place) -> Template {
    let itself = pods.iter().find(|pod| {
        template.kind == "Pod" && pod.namespace == template.namespace && pod.name == template.name
    });
    let notes = notes(&template.annotations);
    Template {
        service_account: template.service_account.clone(),
        strings: template.texts.clone(),
        pod: itself.cloned().unwrap_or_else(|| Arc::new(pod(template))),
        notes,
        place,
    }
}

/// A pod as the template makes it.
fn pod(template: manifests::Template) -> Pod {
    Pod {
        namespace: template.namespace,
        name: template.name.clone(),
        uid: ArcStr::new(),
        labels: template.labels,
        node: None,
        ips: Vec::new(),
        host_network: template.host_network,
        finished: false,
        deleting: false,
        start: None,
        workload: Workload { kind: template.kind, name: template.name },
        ports: template.ports,
    }
}
