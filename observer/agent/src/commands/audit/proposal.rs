//! Manifests in the form that the audit takes.

use std::path::Path;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Labels, Pod, Workload};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::BrokenPolicy;
use flow_objects::kinds::Kind;
use flow_objects::manifests::{self, Manifests};
use flow_objects::object::ObjectId;
use flow_objects::problem::Extent;
use flow_policy::audit::{Change, Notes, Place, Proposed, ProposedNamespace, Template};

/// The annotation that names what a workload uses.
const USES: &str = "flow-observer.io/uses";
/// The annotation that excludes an object from the audit, with the reason.
const IGNORE: &str = "flow-observer.io/audit-ignore";

/// Reads the manifests on standard input.
pub(super) fn stdin(bytes: &[u8]) -> anyhow::Result<Change> {
    let manifests = manifests::parse(crate::commands::audit::STDIN, bytes);
    anyhow::ensure!(
        !is_empty(&manifests),
        "standard input holds no Kubernetes objects; pipe `kubectl kustomize DIR` or `helm template CHART` into it"
    );
    Ok(change(manifests, &|place| Place::Stdin { line: place.line }))
}

/// Reads the manifests in a directory or a file.
pub(super) fn load(path: &Path) -> anyhow::Result<Change> {
    let manifests = manifests::load(path).map_err(|error| match error {
        // The remedy in the error is for a cluster source.
        flow_objects::ClusterError::Missing { path } => {
            anyhow::anyhow!("{} does not exist; name a directory or a file with manifests", path.display())
        }
        other => other.into(),
    })?;
    anyhow::ensure!(
        !is_empty(&manifests),
        "{} holds no Kubernetes objects in .yaml, .yml or .json files; render charts and kustomizations first, and pipe \
         them into `--manifests -`",
        path.display()
    );
    let here = std::env::current_dir().unwrap_or_default();
    Ok(change(manifests, &|place| {
        let file = place.file.strip_prefix(&here).unwrap_or(&place.file);
        let file = file.strip_prefix("./").unwrap_or(file);
        Place::File { file: file.to_string_lossy().into(), line: place.line }
    }))
}

/// Is true when there is no object, and no document that could not be read and may have held one.
fn is_empty(manifests: &Manifests) -> bool {
    manifests.places.is_empty() && !manifests.problems.iter().any(|p| p.extent == Extent::Unreadable)
}

/// Translates the place of an object.
type Locate<'a> = &'a dyn Fn(&manifests::Place) -> Place;

/// Returns the manifests as a change; `locate` translates places.
pub(super) fn change(manifests: Manifests, locate: Locate<'_>) -> Change {
    let Manifests { inventory, templates, places, namespace_annotations, bound_accounts, problems } =
        manifests;
    let at = |kind: &ArcStr, object: ObjectRef| {
        let id = ObjectId { kind: kind.clone(), object };
        let nowhere = || Place::Resource(arcstr::format!("{kind} {}", id.object.name));
        places.get(&id).map_or_else(nowhere, locate)
    };
    let policy = Kind::NetworkPolicy.into();
    let policies = &inventory.policies;
    let mut change = Change {
        policies: proposed(&policies.namespaced, |p| at(&policy, p.object_ref())),
        tiered: proposed(&policies.tiered, |p| at(&p.kind, p.object_ref())),
        broken: proposed(&policies.broken, |p| at(&p.kind, p.object_ref())),
        services: inventory.services.clone(),
        pods: inventory.pods.clone(),
        bound: bound_accounts.into_iter().map(|account| (account.namespace, account.name)).collect(),
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
