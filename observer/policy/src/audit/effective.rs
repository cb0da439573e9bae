//! The cluster as it would be after the change.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Labels, Pod, Service};
use flow_model::policies::Policies;

use crate::audit::change::{Change, Removed, Template};

/// The labels that controllers add to pods beside those of the template.
const ADDED: [&str; 10] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "job-name",
    "controller-uid",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
];

/// Returns what the change leaves of `before`, and what it adds.
pub(super) fn after(before: &Inventory, change: &Change) -> Inventory {
    let gone = Gone::new(&change.removed);
    let names: HashSet<_> = change.namespaces.iter().map(|n| &n.namespace.name).collect();
    let kept = before.namespaces.iter().filter(|n| !names.contains(&n.name) && !gone.namespace(&n.name));
    let namespaces = kept.chain(change.namespaces.iter().map(|n| &n.namespace)).cloned().collect();
    Inventory {
        announcers: Vec::new(),
        pods: pods(before, change, &gone),
        services: services(before, change, &gone),
        nodes: before.nodes.clone(),
        namespaces,
        policies: policies(&before.policies, change, &gone),
        objects: before.objects.clone(),
    }
}

/// Indexes the objects that a plan deletes.
pub(super) struct Gone<'a>(HashSet<(&'a str, &'a str, &'a str)>);

impl<'a> Gone<'a> {
    pub(super) fn new(removed: &'a [Removed]) -> Self {
        Self(removed.iter().map(|r| (&*r.kind, &*r.namespace, &*r.name)).collect())
    }

    fn namespace(&self, name: &str) -> bool {
        self.0.contains(&("Namespace", "", name))
    }

    fn object(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.0.contains(&(kind, namespace, name)) || self.namespace(namespace)
    }

    /// Is true when the pods of a workload are deleted.
    pub(super) fn workload(&self, namespace: &str, kind: &str, name: &str) -> bool {
        self.object(kind, namespace, name)
    }
}

fn policies(before: &Policies, change: &Change, gone: &Gone<'_>) -> Policies {
    let mut proposed: HashSet<(ArcStr, ArcStr, ArcStr)> = HashSet::new();
    let kind = || arcstr::literal!("NetworkPolicy");
    proposed
        .extend(change.policies.iter().map(|p| (kind(), p.object.namespace.clone(), p.object.name.clone())));
    proposed.extend(
        change.tiered.iter().map(|p| (p.object.kind.as_str().into(), ArcStr::new(), p.object.name.clone())),
    );
    proposed.extend(
        change
            .broken
            .iter()
            .map(|p| (p.object.kind.clone(), p.object.namespace.clone(), p.object.name.clone())),
    );
    let stays = |kind: &ArcStr, namespace: &ArcStr, name: &ArcStr| {
        !proposed.contains(&(kind.clone(), namespace.clone(), name.clone()))
            && !gone.object(kind, namespace, name)
    };
    let none = ArcStr::new();
    let namespaced = before.namespaced.iter().filter(|p| stays(&kind(), &p.namespace, &p.name));
    let tiered = before.tiered.iter().filter(|p| stays(&p.kind.as_str().into(), &none, &p.name));
    let broken = before.broken.iter().filter(|p| stays(&p.kind, &p.namespace, &p.name));
    let mut after = Policies {
        namespaced: namespaced.chain(change.policies.iter().map(|p| &p.object)).cloned().collect(),
        tiered: tiered.chain(change.tiered.iter().map(|p| &p.object)).cloned().collect(),
        broken: broken.chain(change.broken.iter().map(|p| &p.object)).cloned().collect(),
    };
    after.namespaced.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    after
}

/// Merges the Services. Manifests have no addresses and backends, so those of the cluster stay.
fn services(before: &Inventory, change: &Change, gone: &Gone<'_>) -> Vec<Arc<Service>> {
    let mut services: BTreeMap<_, _> =
        before.services.iter().map(|s| ((&s.namespace, &s.name), s.clone())).collect();
    services.retain(|(namespace, name), _| !gone.object("Service", namespace, name));
    for proposed in &change.services {
        let mut service = Service::clone(proposed);
        if let Some(old) = services.get(&(&proposed.namespace, &proposed.name)) {
            if service.cluster_ips.is_empty() {
                service.cluster_ips.clone_from(&old.cluster_ips);
            }
            if service.backends.is_empty() {
                service.backends.clone_from(&old.backends);
            }
        }
        services.insert((&proposed.namespace, &proposed.name), Arc::new(service));
    }
    services.into_values().collect()
}

fn pods(before: &Inventory, change: &Change, gone: &Gone<'_>) -> Vec<Arc<Pod>> {
    let mut pods: BTreeMap<_, _> = before.pods.iter().map(|p| ((&p.namespace, &p.name), p)).collect();
    pods.extend(change.pods.iter().map(|p| ((&p.namespace, &p.name), p)));
    let templates = &change.templates;
    let of: HashMap<_, _> = templates.iter().map(|t| ((&t.pod.namespace, &t.pod.workload), t)).collect();
    let mut seen = HashSet::new();
    let mut after = Vec::with_capacity(pods.len() + templates.len());
    for pod in pods.into_values() {
        let workload = (&pod.namespace, &pod.workload);
        match of.get(&workload) {
            Some(template) => {
                seen.insert(workload);
                after.push(Arc::new(renewed(pod, template)));
            }
            None if gone.workload(&pod.namespace, &pod.workload.kind, &pod.workload.name) => {}
            None => after.push(Arc::clone(pod)),
        }
    }
    let new = templates.iter().filter(|t| !seen.contains(&(&t.pod.namespace, &t.pod.workload)));
    after.extend(new.map(|t| Arc::clone(&t.pod)));
    after
}

/// Returns the pod as it will be after the rollout of its workload.
fn renewed(pod: &Pod, template: &Template) -> Pod {
    let mut labels: Labels = template.pod.labels.clone();
    for key in ADDED {
        if let Some((key, value)) = pod.labels.get_key_value(key) {
            labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    Pod { labels, ports: template.pod.ports.clone(), host_network: template.pod.host_network, ..pod.clone() }
}
