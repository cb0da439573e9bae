//! Manifests as proposed changes, which the audit judges.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Labels, Pod, Workload};
use flow_model::network::Enforcer;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::BrokenPolicy;
use flow_policy::audit::{Change, Notes, Place, Proposed, ProposedNamespace, Template, Unjudged};

use crate::kinds::Kind;
use crate::manifests::{self, Manifests};
use crate::object::ObjectId;
use crate::problem::Extent;

/// The annotation that names what a workload uses.
const USES: &str = "flow-observer.io/uses";
/// The annotation that excludes an object from the audit, with the reason.
const IGNORE: &str = "flow-observer.io/audit-ignore";

/// Turns the place of an object into the place that the report names.
pub type Locate<'a> = &'a dyn Fn(&manifests::Place) -> Place;

/// Returns what applying the manifests would change in the cluster.
#[must_use]
pub fn change(manifests: Manifests, locate: Locate<'_>) -> Change {
    let Manifests {
        inventory,
        templates,
        places,
        namespace_annotations,
        bound_accounts,
        problems,
        unplaced: _,
    } = manifests;
    let at = |kind: &ArcStr, object: ObjectRef| {
        let id = ObjectId { kind: kind.clone(), object };
        let nowhere = || Place::Resource(arcstr::format!("{kind} {}", id.object.name));
        places.get(&id).map_or_else(nowhere, locate)
    };
    let policy = Kind::NetworkPolicy.into();
    let policies = &inventory.policies;
    let mut change = Change {
        policies: proposed(&policies.namespaced, |p| at(&policy, p.object_ref())),
        tiered: proposed(&policies.tiered, |p| at(&ArcStr::from(p.kind.as_str()), p.object_ref())),
        broken: proposed(&policies.broken, |p| at(&p.kind, p.object_ref())),
        services: inventory.services.clone(),
        pods: inventory.pods.clone(),
        enforcer: Some(inventory.enforcer).filter(|enforcer| *enforcer != Enforcer::Spec),
        local_dns: inventory.local_dns.clone(),
        bound: bound_accounts.into_iter().collect(),
        ..Change::default()
    };
    change.namespaces.extend(inventory.namespaces.iter().map(|namespace| ProposedNamespace {
        namespace: Arc::clone(namespace),
        notes: namespace_annotations.get(&namespace.name).map(notes).unwrap_or_default(),
        place: at(&Kind::Namespace.into(), ObjectRef::cluster_scoped(namespace.name.clone())),
    }));
    for template in templates.into_iter().filter(|template| !template.controlled) {
        let place = at(&template.kind, ObjectRef::new(template.namespace.clone(), template.name.clone()));
        change.templates.push(self::template(template, &inventory.pods, place));
    }
    for problem in problems {
        let place = locate(&manifests::Place { file: problem.file, line: problem.line });
        match problem.extent {
            Extent::Unreadable => change.unreadable.push((place, problem.message)),
            Extent::Unjudged(object) => {
                change.unjudged.push(Unjudged { place: Some(place), object, why: problem.message });
            }
            // The audit reports broken policies by itself.
            Extent::Policy(id) if policies.broken.iter().any(|broken| is_named(broken, &id)) => {}
            Extent::Policy(_) | Extent::Object | Extent::Files => {
                change.notes.push(format!("{place}: {}", problem.message));
            }
        }
    }
    change
}

fn is_named(broken: &BrokenPolicy, id: &ObjectId) -> bool {
    broken.kind == id.kind && broken.object_ref() == id.object
}

fn proposed<T>(objects: &[Arc<T>], place: impl Fn(&T) -> Place) -> Vec<Proposed<T>> {
    objects.iter().map(|object| Proposed { object: Arc::clone(object), place: place(object) }).collect()
}

fn notes(annotations: &Labels) -> Notes {
    Notes { uses: annotations.get(USES).cloned(), ignore: annotations.get(IGNORE).cloned() }
}

fn template(template: manifests::Template, pods: &[Arc<Pod>], place: Place) -> Template {
    let itself = pods.iter().find(|pod| {
        template.kind == Kind::Pod.name() && pod.namespace == template.namespace && pod.name == template.name
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

/// Returns a pod as the template makes it.
fn pod(template: manifests::Template) -> Pod {
    Pod {
        namespace: template.namespace,
        name: template.name.clone(),
        labels: template.labels,
        host_network: template.host_network,
        workload: Workload { kind: template.kind, name: template.name },
        ports: template.ports,
        ..Pod::default()
    }
}
