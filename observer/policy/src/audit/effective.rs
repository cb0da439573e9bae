//! The cluster as it would be after the change.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Labels, Pod, Service};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{BrokenPolicy, Policies};

use crate::audit::change::{Change, Place, Removed, Template};

const NETWORK_POLICY: &str = "NetworkPolicy";

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
        // Manifests rarely hold the enforcer itself: then it is the one that is there.
        enforcer: change.enforcer.unwrap_or(before.enforcer),
        local_dns: change.local_dns.clone().or_else(|| before.local_dns.clone()),
        templates: Vec::new(),
    }
}

/// Indexes the objects that a plan deletes.
pub(super) struct Gone<'a>(HashSet<(&'a str, &'a ObjectRef)>);

impl<'a> Gone<'a> {
    pub(super) fn new(removed: &'a [Removed]) -> Self {
        Self(removed.iter().map(|r| (&*r.kind, &r.object)).collect())
    }

    fn namespace(&self, name: &ArcStr) -> bool {
        self.0.contains(&("Namespace", &ObjectRef::cluster_scoped(name.clone())))
    }

    /// Is true when the object is deleted, by itself or with its namespace. With a workload go its pods.
    pub(super) fn object(&self, kind: &str, object: &ObjectRef) -> bool {
        self.0.contains(&(kind, object)) || self.namespace(&object.namespace)
    }
}

fn policies(before: &Policies, change: &Change, gone: &Gone<'_>) -> Policies {
    let mut proposed: HashSet<(&str, ObjectRef)> = HashSet::new();
    proposed.extend(change.policies.iter().map(|p| (NETWORK_POLICY, p.object.object_ref())));
    proposed.extend(change.tiered.iter().map(|p| (p.object.kind.as_str(), p.object.object_ref())));
    proposed.extend(change.broken.iter().map(|p| (&*p.object.kind, p.object.object_ref())));
    let stays =
        |kind: &str, object: ObjectRef| !gone.object(kind, &object) && !proposed.contains(&(kind, object));
    let namespaced = before.namespaced.iter().filter(|p| stays(NETWORK_POLICY, p.object_ref()));
    let tiered = before.tiered.iter().filter(|p| stays(p.kind.as_str(), p.object_ref()));
    let broken = before.broken.iter().filter(|p| stays(&p.kind, p.object_ref()));
    let unread =
        |(place, why): &(Place, String)| Arc::new(BrokenPolicy::in_document(arcstr::format!("{place}"), why));
    let unread = change.unreadable.iter().map(unread);
    let mut after = Policies {
        namespaced: namespaced.chain(change.policies.iter().map(|p| &p.object)).cloned().collect(),
        tiered: tiered.chain(change.tiered.iter().map(|p| &p.object)).cloned().collect(),
        broken: broken.chain(change.broken.iter().map(|p| &p.object)).cloned().chain(unread).collect(),
    };
    after.namespaced.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    after
}

/// Merges the Services. Manifests have no addresses and backends, so those of the cluster stay.
fn services(before: &Inventory, change: &Change, gone: &Gone<'_>) -> Vec<Arc<Service>> {
    let stay = before.services.iter().filter(|service| !gone.object("Service", &service.object_ref()));
    let mut services: BTreeMap<_, _> = stay.map(|s| (s.object_ref(), s.clone())).collect();
    for proposed in &change.services {
        let mut service = Service::clone(proposed);
        if let Some(old) = services.get(&proposed.object_ref()) {
            if service.cluster_ips.is_empty() {
                service.cluster_ips.clone_from(&old.cluster_ips);
            }
            if service.backends.is_empty() {
                service.backends.clone_from(&old.backends);
            }
        }
        services.insert(proposed.object_ref(), Arc::new(service));
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
            None if gone.object(
                &pod.workload.kind,
                &ObjectRef::new(pod.namespace.clone(), pod.workload.name.clone()),
            ) => {}
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
