//! The cluster's current objects, and the inventory that they make.

mod announcers;
mod backends;
mod network;
mod reuse;
mod services;
mod workloads;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Namespace, Node};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{BrokenPolicy, Policies};
use strum::IntoEnumIterator as _;

use crate::convert::{PodBody, TemplateBody};
use crate::kinds::{Kind, Purpose};
use crate::names::shared;
use crate::object::{Body, Object};
use crate::policy::PolicyBody;
use crate::resource::Resource;

/// The key in [`Inventory::objects`] under which documents and objects that can't be read are counted.
pub(crate) const UNREADABLE: ArcStr = arcstr::literal!("_unreadable");

type Objects = BTreeMap<ObjectRef, Body>;

/// All current objects, by kind and name. One task owns it; others see what it publishes.
#[derive(Debug, Default)]
pub struct Index {
    /// This holds objects by the kind that is counted. Kinds that are not in the table of kinds are counted, too.
    kinds: BTreeMap<ArcStr, Objects>,
    unreadable: u64,
    /// These stand for the policies that may be in documents that can't be read.
    unread: Vec<Arc<BrokenPolicy>>,
    /// This holds the kinds of which nothing could be read so far, and why.
    missing: BTreeMap<Resource, ArcStr>,
    published: Arc<Inventory>,
}

impl Index {
    /// Adds an object, or replaces the one of its kind and name. Returns false if nothing that is kept differs, which is the
    /// case for most changes of most objects.
    pub fn apply(&mut self, object: Object) -> bool {
        match self.kinds.entry(object.id.kind).or_default().entry(object.id.object) {
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

    /// Removes an object. Returns false if it isn't there.
    pub fn delete(&mut self, resource: impl Into<Resource>, key: &ObjectRef) -> bool {
        self.kinds.get_mut(resource.into().name()).is_some_and(|objects| objects.remove(key).is_some())
    }

    /// Removes the objects of a kind that are not among these. From then on the kind is counted, also when it has none.
    pub fn retain(&mut self, resource: impl Into<Resource>, keys: &HashSet<ObjectRef>) {
        self.kinds.entry(shared(resource.into().name())).or_default().retain(|key, _| keys.contains(key));
    }

    /// Removes a kind, which is then no longer counted.
    pub fn forget(&mut self, resource: impl Into<Resource>) {
        self.kinds.remove(resource.into().name());
    }

    /// Records why nothing of a kind could be read. Verdicts that could depend on a policy of that kind are then unknown.
    pub fn set_missing(&mut self, resource: impl Into<Resource>, why: Option<ArcStr>) {
        let resource = resource.into();
        match why {
            Some(why) => self.missing.insert(resource, why),
            None => self.missing.remove(&resource),
        };
    }

    /// Replaces everything. Of two objects with the same name the later stays. A kind of which nothing is left is counted
    /// as 0, so that its metric goes down.
    pub fn replace(&mut self, objects: impl IntoIterator<Item = Object>) {
        self.kinds.values_mut().for_each(BTreeMap::clear);
        for object in objects {
            self.apply(object);
        }
    }

    /// Sets how many documents and objects of the source can't be read now; they are counted with the objects.
    pub fn set_unreadable(&mut self, count: u64) {
        self.unreadable = count;
    }

    /// Sets what stands for the policies that may be in documents that can't be read now.
    pub fn set_unread(&mut self, policies: Vec<BrokenPolicy>) {
        self.unread = policies.into_iter().map(Arc::new).collect();
    }

    /// Returns the inventory if it differs from the one published last. An object that is the same in both is the same `Arc`
    /// in both.
    pub fn publish(&mut self) -> Option<Arc<Inventory>> {
        let mut inventory = self.inventory();
        if reuse::reuse(&mut inventory, &self.published) {
            return None;
        }
        self.published = Arc::new(inventory);
        Some(self.published())
    }

    /// Returns the inventory published last, which is empty at first.
    #[must_use]
    pub fn published(&self) -> Arc<Inventory> {
        Arc::clone(&self.published)
    }

    fn inventory(&self) -> Inventory {
        Inventory {
            announcers: self.announcers(),
            services: self.services(),
            nodes: self.nodes().cloned().collect(),
            namespaces: self.namespaces().cloned().collect(),
            policies: self.policies(),
            objects: self.counts(),
            pods: self.pods().map(|pod| self.resolve_workload(pod)).collect(),
            enforcer: self.enforcer(),
            local_dns: self.local_dns(),
            templates: self
                .templates()
                .filter(|body| !body.controlled)
                .map(|body| Arc::clone(&body.pod))
                .collect(),
        }
    }

    fn bodies(&self, kind: Kind) -> impl Iterator<Item = (&ObjectRef, &Body)> {
        self.kinds.get(kind.name()).into_iter().flatten()
    }

    /// Returns the objects of all kinds that are read for this purpose, sorted by kind and name.
    fn bodies_for(&self, purpose: Purpose) -> impl Iterator<Item = &Body> {
        let kinds = Kind::iter().filter(move |kind| kind.row().purpose == purpose);
        kinds.flat_map(|kind| self.bodies(kind)).map(|(_, body)| body)
    }

    fn pods(&self) -> impl Iterator<Item = &PodBody> {
        self.bodies(Kind::Pod).filter_map(|(_, body)| match body {
            Body::Pod(pod) => Some(pod),
            _ => None,
        })
    }

    /// Returns the workloads whose pod template was read.
    fn templates(&self) -> impl Iterator<Item = &TemplateBody> {
        self.kinds.values().flatten().filter_map(|(_, body)| match body {
            Body::Template(template) | Body::Owner(_, Some(template)) => Some(template),
            _ => None,
        })
    }

    fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.bodies(Kind::Node).filter_map(|(_, body)| match body {
            Body::Node(node) => Some(node),
            _ => None,
        })
    }

    fn namespaces(&self) -> impl Iterator<Item = &Arc<Namespace>> {
        self.bodies(Kind::Namespace).filter_map(|(_, body)| match body {
            Body::Namespace(namespace) => Some(namespace),
            _ => None,
        })
    }

    fn policies(&self) -> Policies {
        let mut policies = Policies::default();
        let judged = self.bodies_for(Purpose::Policies);
        let foreign = self.kinds.iter().filter(|(kind, _)| kind.parse::<Kind>().is_err());
        for body in judged.chain(foreign.flat_map(|(_, objects)| objects.values())) {
            match body {
                Body::Policy(PolicyBody::Namespaced(policy)) => policies.namespaced.push(Arc::clone(policy)),
                Body::Policy(PolicyBody::Tiered(policy)) => policies.tiered.push(Arc::clone(policy)),
                Body::Policy(PolicyBody::Broken(policy)) => policies.broken.push(Arc::clone(policy)),
                _ => {}
            }
        }
        policies.broken.extend(self.unread.iter().cloned());
        policies.broken.extend(self.missing.iter().filter_map(|(resource, why)| resource.missing(why)));
        policies
            .broken
            .sort_by(|a, b| (&a.kind, &a.namespace, &a.name).cmp(&(&b.kind, &b.namespace, &b.name)));
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
}
