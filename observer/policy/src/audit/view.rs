//! The index that the checks use: namespaces, pods grouped by what policies see of them, and policies.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{ContainerPort, Inventory, Labels, Pod};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{NetworkPolicy, Peer, Selector};

use crate::audit::change::{Change, Place, Proposed};
use crate::audit::selector::{self, Matches, NAME};

/// The namespaces that every cluster has.
const BUILT_IN: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Indexes the cluster as it is after the change.
pub(super) struct View<'a> {
    pub(super) change: &'a Change,
    pub(super) after: &'a Arc<Inventory>,
    /// Is true when a baseline lists the cluster's pods: a namespace without pods in it has none.
    pub(super) pods_complete: bool,
    /// Is true when at least one Namespace object is known: a missing one does not exist then.
    pub(super) namespaces_known: bool,
    namespaces: BTreeMap<ArcStr, Labelled>,
    groups: BTreeMap<ArcStr, Vec<Group>>,
    policies: HashMap<ArcStr, Vec<&'a Arc<NetworkPolicy>>>,
    places: BTreeMap<ObjectRef, &'a Place>,
    found: RefCell<HashMap<Selector, Rc<Vec<ArcStr>>>>,
}

struct Labelled {
    labels: Labels,
    /// Is true when there is a Namespace object, so that these are all its labels.
    all: bool,
}

/// Stands for pods that no policy can distinguish.
#[derive(Debug)]
pub(super) struct Group {
    /// A pod of the group, which stands for all of them.
    pub(super) pod: Arc<Pod>,
    /// The service account, where a template names it.
    pub(super) service_account: Option<ArcStr>,
}

/// Indicates whether a peer of a policy matches anything.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    Some,
    NoNamespace,
    /// Only pods in their node's network, which no selector matches.
    OnlyHostNetwork,
    /// No pod in these namespaces matches.
    NoPod(Rc<Vec<ArcStr>>),
    /// Information is missing; the text names it.
    CantTell(String),
}

impl<'a> View<'a> {
    pub(super) fn new(change: &'a Change, after: &'a Arc<Inventory>, pods_complete: bool) -> Self {
        let mut policies: HashMap<_, Vec<_>> = HashMap::new();
        for policy in &after.policies.namespaced {
            policies.entry(policy.namespace.clone()).or_default().push(policy);
        }
        Self {
            change,
            after,
            pods_complete,
            namespaces_known: !after.namespaces.is_empty(),
            namespaces: namespaces(after),
            groups: groups(after, change),
            policies,
            places: change.places(),
            found: RefCell::default(),
        }
    }

    /// Returns the pods of a namespace that policies apply to.
    pub(super) fn groups(&self, namespace: &str) -> &[Group] {
        self.groups.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// Returns the pods of all namespaces.
    pub(super) fn all_groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values().flatten()
    }

    /// Is true when [`View::groups`] is complete for the namespace.
    pub(super) fn knows_pods_of(&self, namespace: &str) -> bool {
        self.pods_complete || !self.groups(namespace).is_empty()
    }

    /// Returns the policies of a namespace after the change.
    pub(super) fn policies(&self, namespace: &str) -> &[&'a Arc<NetworkPolicy>] {
        self.policies.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// Returns the place of a policy (`namespace/name`) in the change; `None` when the change doesn't have it.
    pub(super) fn place(&self, policy: &ObjectRef) -> Option<&'a Place> {
        self.places.get(policy).copied()
    }

    /// Returns the change's policies.
    pub(super) fn proposed(&self) -> impl Iterator<Item = &'a Proposed<NetworkPolicy>> {
        self.change.policies.iter()
    }

    /// Is true when any object mentions the namespace.
    pub(super) fn knows_namespace(&self, name: &str) -> bool {
        self.namespaces.contains_key(name)
    }

    /// Returns the labels of all namespaces, as far as known.
    pub(super) fn namespace_labels(&self) -> impl Iterator<Item = &Labels> + Clone {
        self.namespaces.values().map(|n| &n.labels)
    }

    /// Returns the namespaces that the selector matches or may match.
    pub(super) fn matching(&self, selector: &Selector) -> Rc<Vec<ArcStr>> {
        if let Some(found) = self.found.borrow().get(selector) {
            return Rc::clone(found);
        }
        let may = |n: &Labelled| selector::matches_namespace(selector, &n.labels, n.all) != Matches::No;
        let found = self.namespaces.iter().filter(|(_, n)| may(n)).map(|(name, _)| name.clone());
        let found = Rc::new(found.collect::<Vec<_>>());
        self.found.borrow_mut().insert(selector.clone(), Rc::clone(&found));
        found
    }

    /// Returns the namespaces of a pod peer.
    pub(super) fn peer_namespaces(
        &self,
        policy: &NetworkPolicy,
        namespaces: Option<&Selector>,
    ) -> Rc<Vec<ArcStr>> {
        match namespaces {
            None => Rc::new(vec![policy.namespace.clone()]),
            Some(selector) => self.matching(selector),
        }
    }

    /// Returns the known pods that a pod peer matches.
    pub(super) fn peer_groups<'s>(
        &'s self,
        namespaces: &'s [ArcStr],
        pods: Option<&'s Selector>,
    ) -> impl Iterator<Item = &'s Group> {
        let groups = namespaces.iter().flat_map(|namespace| self.groups(namespace));
        groups.filter(move |group| pods.is_none_or(|selector| selector.matches(&group.pod.labels)))
    }

    /// Finds out whether a peer matches anything. Addresses always may.
    pub(super) fn find(&self, policy: &NetworkPolicy, peer: &Peer) -> Found {
        let Peer::Pods { namespaces, pods } = peer else { return Found::Some };
        let within = self.peer_namespaces(policy, namespaces.as_ref());
        if within.is_empty() {
            return match self.namespaces_known {
                true => Found::NoNamespace,
                false => Found::CantTell("no Namespace is known".to_owned()),
            };
        }
        if self.peer_groups(&within, pods.as_ref()).next().is_some() {
            return Found::Some;
        }
        if self.any_host_pod(&within, pods.as_ref()) {
            return Found::OnlyHostNetwork;
        }
        if pods.as_ref().is_none_or(|pods| pods.requirements.is_empty()) {
            return Found::Some;
        }
        match within.iter().find(|namespace| !self.knows_pods_of(namespace)) {
            Some(namespace) => Found::CantTell(format!("no pod of namespace {namespace} is known")),
            None => Found::NoPod(within),
        }
    }

    /// Is true when a pod in its node's network is in one of the namespaces and has the labels.
    fn any_host_pod(&self, namespaces: &[ArcStr], pods: Option<&Selector>) -> bool {
        let mut host = self.after.pods.iter().filter(|pod| pod.host_network && !pod.finished);
        host.any(|pod| {
            namespaces.contains(&pod.namespace) && pods.is_none_or(|selector| selector.matches(&pod.labels))
        })
    }

    /// Returns the pods that the policy selects.
    pub(super) fn selected<'s>(&'s self, policy: &'s NetworkPolicy) -> impl Iterator<Item = &'s Group> {
        self.groups(&policy.namespace).iter().filter(|group| policy.selector.matches(&group.pod.labels))
    }
}

fn namespaces(after: &Inventory) -> BTreeMap<ArcStr, Labelled> {
    let mut namespaces: BTreeMap<_, _> = after
        .namespaces
        .iter()
        .map(|n| (n.name.clone(), Labelled { labels: named(&n.labels, &n.name), all: true }))
        .collect();
    let mut names: BTreeSet<ArcStr> = BUILT_IN.into_iter().map(ArcStr::from).collect();
    names.extend(after.pods.iter().map(|p| p.namespace.clone()));
    names.extend(after.policies.namespaced.iter().map(|p| p.namespace.clone()));
    names.extend(after.services.iter().map(|s| s.namespace.clone()));
    for name in names {
        let labels = named(&Labels::new(), &name);
        namespaces.entry(name).or_insert(Labelled { labels, all: false });
    }
    namespaces
}

/// Adds the label that the API server sets, whether or not the manifest has it.
fn named(labels: &Labels, name: &ArcStr) -> Labels {
    let mut labels = labels.clone();
    labels.insert(NAME.into(), name.clone());
    labels
}

fn groups(after: &Inventory, change: &Change) -> BTreeMap<ArcStr, Vec<Group>> {
    let accounts: HashMap<_, _> =
        change.templates.iter().map(|t| ((&t.pod.namespace, &t.pod.workload), &t.service_account)).collect();
    let mut seen: HashSet<(&ArcStr, &Labels, Vec<Key<'_>>, &ArcStr)> = HashSet::new();
    let mut groups: BTreeMap<ArcStr, Vec<Group>> = BTreeMap::new();
    for pod in after.pods.iter().filter(|pod| !pod.finished && !pod.host_network) {
        let ports = pod.ports.iter().map(key).collect();
        if seen.insert((&pod.namespace, &pod.labels, ports, &pod.workload.name)) {
            let service_account =
                accounts.get(&(&pod.namespace, &pod.workload)).map(|&account| account.clone());
            groups
                .entry(pod.namespace.clone())
                .or_default()
                .push(Group { pod: pod.clone(), service_account });
        }
    }
    groups
}

type Key<'a> = (Option<&'a ArcStr>, &'a ArcStr, u16);

fn key(port: &ContainerPort) -> Key<'_> {
    (port.name.as_ref(), &port.protocol, port.port)
}
