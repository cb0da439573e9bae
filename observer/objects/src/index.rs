//! The cluster's current objects, and the inventory that they make.

mod announcers;
mod backends;
mod reuse;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Backend, Inventory, Pod, Service, Workload};
use flow_model::policies::Policies;

use crate::object::{Body, Object, PodBody};
use crate::policy::{self, PolicyBody};
use backends::{order, pod_backends};
use flow_model::object_ref::ObjectRef;

/// The key in [`Inventory::objects`] under which documents and objects that can't be read are counted.
pub const UNREADABLE: ArcStr = arcstr::literal!("_unreadable");

type Objects = BTreeMap<ObjectRef, Body>;

/// All current objects, by kind and name. One task owns it; others see what it publishes.
#[derive(Debug, Default)]
pub struct Index {
    kinds: BTreeMap<ArcStr, Objects>,
    unreadable: u64,
    /// Kinds of policy none of which could be read, and why.
    missing: BTreeMap<ArcStr, ArcStr>,
    published: Arc<Inventory>,
}

impl Index {
    /// Adds an object, or replaces the one of its kind and name. False if it says nothing new: most changes of most objects
    /// are about what is not kept.
    pub fn apply(&mut self, object: Object) -> bool {
        match self.kinds.entry(object.kind).or_default().entry(object.key) {
            Entry::Occupied(old) if *old.get() == object.body => false,
            Entry::Occupied(mut old) => {
                old.insert(object.body);
                true
            }
            Entry::Vacant(place) => {
                place.insert(object.body);
                true
            }
        }
    }

    /// Removes an object. False if it isn't there.
    pub fn delete(&mut self, kind: &str, key: &ObjectRef) -> bool {
        self.kinds.get_mut(kind).is_some_and(|objects| objects.remove(key).is_some())
    }

    /// Removes the objects of a kind that are not among these. From then on it is counted, also with 0.
    pub fn retain(&mut self, kind: &str, keys: &HashSet<ObjectRef>) {
        self.kinds.entry(kind.into()).or_default().retain(|key, _| keys.contains(key));
    }

    /// Forgets a kind, that it was counted too.
    pub fn forget(&mut self, kind: &str) {
        self.kinds.remove(kind);
    }

    /// Says why no policy of this kind could be read: what could depend on one is then unknown.
    pub fn set_missing(&mut self, kind: &str, why: Option<ArcStr>) {
        match why {
            Some(why) => self.missing.insert(kind.into(), why),
            None => self.missing.remove(kind),
        };
    }

    /// Replaces all objects of one kind.
    pub fn reset(&mut self, kind: &str, objects: impl IntoIterator<Item = Object>) {
        let objects = objects.into_iter().map(|object| (object.key, object.body)).collect();
        self.kinds.insert(kind.into(), objects);
    }

    /// Replaces everything. Of two objects with the same name the later stays. A kind of which nothing is left
    /// is counted as 0, so that its metric goes down.
    pub fn replace(&mut self, objects: impl IntoIterator<Item = Object>) {
        self.kinds.values_mut().for_each(BTreeMap::clear);
        for object in objects {
            self.apply(object);
        }
    }

    /// How many documents and objects of the source can't be read now; counted with the objects.
    pub fn set_unreadable(&mut self, count: u64) {
        self.unreadable = count;
    }

    /// The inventory, if it differs from the one published last. An object that is the same in both is the same
    /// `Arc` in both.
    pub fn publish(&mut self) -> Option<Arc<Inventory>> {
        let mut inventory = self.inventory();
        if reuse::reuse(&mut inventory, &self.published) {
            return None;
        }
        self.published = Arc::new(inventory);
        Some(self.published())
    }

    /// The inventory published last, empty at first.
    #[must_use]
    pub fn published(&self) -> Arc<Inventory> {
        Arc::clone(&self.published)
    }

    fn inventory(&self) -> Inventory {
        let pods: Vec<_> = self.pods().map(|pod| self.resolve_workload(pod)).collect();
        let mut slices = self.slices();
        let services = self.bodies("Service").filter_map(|(key, body)| match body {
            Body::Service(body) => Some(self.with_backends(key, &body.service, slices.remove(key))),
            _ => None,
        });
        Inventory {
            announcers: self.announcers(),
            services: services.collect(),
            nodes: self.bodies("Node").filter_map(|(_, body)| node(body)).collect(),
            namespaces: self.bodies("Namespace").filter_map(|(_, body)| namespace(body)).collect(),
            policies: self.policies(),
            objects: self.counts(),
            pods,
        }
    }

    fn bodies(&self, kind: &str) -> impl Iterator<Item = (&ObjectRef, &Body)> {
        self.kinds.get(kind).into_iter().flatten()
    }

    fn pods(&self) -> impl Iterator<Item = &PodBody> {
        self.bodies("Pod").filter_map(|(_, body)| match body {
            Body::Pod(pod) => Some(pod),
            _ => None,
        })
    }

    fn policies(&self) -> Policies {
        let mut policies = Policies::default();
        // Kinds are in order here, and names within them: so are the lists.
        for body in self.kinds.values().flat_map(BTreeMap::values) {
            match body {
                Body::Policy(PolicyBody::Namespaced(policy)) => policies.namespaced.push(Arc::clone(policy)),
                Body::Policy(PolicyBody::Tiered(policy)) => policies.tiered.push(Arc::clone(policy)),
                Body::Policy(PolicyBody::Broken(policy)) => policies.broken.push(Arc::clone(policy)),
                _ => {}
            }
        }
        policies.broken.extend(self.missing.iter().filter_map(|(kind, why)| policy::missing(kind, why)));
        policies
    }

    fn counts(&self) -> BTreeMap<ArcStr, u64> {
        let mut counts: BTreeMap<_, _> =
            self.kinds.iter().map(|(k, o)| (k.clone(), o.len() as u64)).collect();
        if self.unreadable > 0 {
            counts.insert(UNREADABLE, self.unreadable);
        }
        counts
    }

    /// Replaces a ReplicaSet by its Deployment and a Job by its CronJob, where those objects are known.
    fn resolve_workload(&self, body: &PodBody) -> Arc<Pod> {
        let Some(workload) = body.owner.as_ref().and_then(|owner| self.owner_of(&body.pod, owner)) else {
            return Arc::clone(&body.pod);
        };
        if workload == body.pod.workload {
            return Arc::clone(&body.pod);
        }
        Arc::new(Pod { workload, ..Pod::clone(&body.pod) })
    }

    /// The controller of a pod's controller; a ReplicaSet or Job that nobody controls stands for itself.
    fn owner_of(&self, pod: &Pod, owner: &Workload) -> Option<Workload> {
        let key = ObjectRef { namespace: pod.namespace.clone(), name: owner.name.clone() };
        match self.kinds.get(&owner.kind)?.get(&key)? {
            Body::Owner(above) => Some(above.as_ref().unwrap_or(owner).clone()),
            _ => None,
        }
    }

    /// Backends by Service; a Service with a slice that is empty is here too.
    fn slices(&self) -> HashMap<ObjectRef, Vec<Backend>> {
        let mut out: HashMap<ObjectRef, Vec<Backend>> = HashMap::new();
        for (key, body) in self.bodies("EndpointSlice") {
            if let Body::Slice(slice) = body
                && let Some(name) = &slice.service
            {
                let key = ObjectRef { namespace: key.namespace.clone(), name: name.clone() };
                out.entry(key).or_default().extend(slice.backends.iter().cloned());
            }
        }
        out
    }

    /// Slices first; without any, Endpoints; without those, the pods that the selector finds.
    fn with_backends(
        &self,
        key: &ObjectRef,
        service: &Arc<Service>,
        slices: Option<Vec<Backend>>,
    ) -> Arc<Service> {
        let mut backends = match (slices, self.kinds.get("Endpoints").and_then(|all| all.get(key))) {
            (Some(backends), _) => backends,
            (None, Some(Body::Endpoints(backends))) => backends.clone(),
            (None, _) => self.selected(service),
        };
        if backends.is_empty() {
            return Arc::clone(service);
        }
        // A backend may be in two slices while it moves from one to the other.
        backends.sort_by(|a, b| order(a).cmp(&order(b)));
        backends.dedup_by(|a, b| order(a).0 == order(b).0);
        Arc::new(Service { backends, ..Service::clone(service) })
    }

    fn selected(&self, service: &Service) -> Vec<Backend> {
        if service.selector.is_empty() {
            return Vec::new();
        }
        let selects = |pod: &Pod| service.selector.iter().all(|(k, v)| pod.labels.get(k) == Some(v));
        let matching = self.pods().filter(|p| p.pod.namespace == service.namespace && selects(&p.pod));
        matching.flat_map(|body| pod_backends(service, body)).collect()
    }
}

fn node(body: &Body) -> Option<Arc<flow_model::inventory::Node>> {
    match body {
        Body::Node(node) => Some(Arc::clone(node)),
        _ => None,
    }
}

fn namespace(body: &Body) -> Option<Arc<flow_model::inventory::Namespace>> {
    match body {
        Body::Namespace(namespace) => Some(Arc::clone(namespace)),
        _ => None,
    }
}
