//! Objects by their names, and hints when there is none.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Pod};

use crate::query::error::QueryError;

/// At most this many names are listed in a hint.
const HINTS: usize = 5;
/// Most names compared for a hint: a batch of wrong names against a large cluster must not take too long.
const HINTED: usize = 2_000;

/// Indexes the objects of one inventory by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    namespaces: HashMap<ArcStr, Members>,
}

#[derive(Clone, Debug, Default)]
struct Members {
    pods: BTreeMap<ArcStr, Arc<Pod>>,
    /// Holds the pods that have finished, as they were when they ran.
    finished: BTreeMap<ArcStr, Arc<Pod>>,
    services: BTreeSet<ArcStr>,
    /// Holds the running pods of each workload, in the order of their names.
    workloads: BTreeMap<ArcStr, Vec<Arc<Pod>>>,
    /// Holds what stands for workloads without a running pod: one that has finished, or one of their template.
    past: BTreeMap<ArcStr, Past>,
}

/// Stands for a workload of which no pod runs.
#[derive(Clone, Debug)]
pub(super) struct Past {
    /// A pod that has finished, as it was when it ran, or one of the workload's template.
    pub(super) pod: Arc<Pod>,
    /// Another pod like it. The workload may run several, and only a pod itself is always reached by itself.
    pub(super) twin: Arc<Pod>,
    pub(super) is_template: bool,
}

impl Past {
    fn new(pod: &Arc<Pod>, is_template: bool) -> Self {
        let twin = Pod { uid: arcstr::format!("{}-twin", pod.uid), ..Pod::clone(pod) };
        Self { pod: Arc::clone(pod), twin: Arc::new(twin), is_template }
    }
}

impl Names {
    /// Indexes an inventory.
    pub(super) fn new(inventory: &Inventory) -> Self {
        let mut names = Self::default();
        for namespace in &inventory.namespaces {
            names.namespaces.entry(namespace.name.clone()).or_default();
        }
        for service in &inventory.services {
            let members = names.namespaces.entry(service.namespace.clone()).or_default();
            members.services.insert(service.name.clone());
        }
        for pod in &inventory.pods {
            names.namespaces.entry(pod.namespace.clone()).or_default().add(pod);
        }
        for pod in &inventory.templates {
            let members = names.namespaces.entry(pod.namespace.clone()).or_default();
            members.past.insert(pod.workload.name.clone(), Past::new(pod, true));
        }
        for members in names.namespaces.values_mut() {
            members.workloads.values_mut().for_each(|pods| pods.sort_by(|a, b| a.name.cmp(&b.name)));
        }
        names
    }

    /// Returns the pod of this name.
    pub(super) fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        self.namespaces.get(namespace)?.pods.get(name)
    }

    /// Returns the pod of this name that has finished, as it was when it ran.
    pub(super) fn finished(&self, namespace: &str, name: &str) -> Option<&Arc<Pod>> {
        self.namespaces.get(namespace)?.finished.get(name)
    }

    /// Is true for a namespace that an object or a part of one names.
    pub(super) fn has_namespace(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace)
    }

    /// Returns a workload's running pods by name; none for a workload that is not known.
    pub(super) fn workload(&self, namespace: &str, name: &str) -> &[Arc<Pod>] {
        let members = self.namespaces.get(namespace);
        members.and_then(|members| members.workloads.get(name)).map_or(&[], Vec::as_slice)
    }

    /// Returns what stands for a workload that has no running pod.
    pub(super) fn past(&self, namespace: &str, name: &str) -> Option<&Past> {
        self.namespaces.get(namespace)?.past.get(name)
    }

    /// Returns the running pods of a namespace.
    pub(super) fn running(&self, namespace: &str) -> impl Iterator<Item = &Arc<Pod>> {
        let members = self.namespaces.get(namespace);
        members.into_iter().flat_map(|members| members.workloads.values().flatten())
    }

    /// Makes the error for an object of the kind `what` that does not exist, with a hint.
    pub(super) fn missing(&self, what: &'static str, namespace: &ArcStr, name: &ArcStr) -> QueryError {
        let hint = match self.namespaces.get(namespace) {
            None => match similar(namespace, self.namespaces.keys()) {
                some if some.is_empty() => "no namespaces are known".to_owned(),
                some => format!("no namespace {namespace} is known; known are {some}"),
            },
            Some(members) if what == "Service" => {
                members.hint("Services", namespace, name, members.services.iter())
            }
            Some(members) => members.hint("pods", namespace, name, members.pods.keys()),
        };
        QueryError::Missing { what, namespace: namespace.clone(), name: name.clone(), hint }
    }
}

impl Members {
    fn add(&mut self, pod: &Arc<Pod>) {
        if pod.finished {
            // It owns no address; its labels and its node are those that it had.
            let as_it_ran = Arc::new(Pod { finished: false, ips: Vec::new(), ..Pod::clone(pod) });
            self.past.insert(pod.workload.name.clone(), Past::new(&as_it_ran, false));
            self.finished.insert(pod.name.clone(), as_it_ran);
        } else {
            self.workloads.entry(pod.workload.name.clone()).or_default().push(Arc::clone(pod));
        }
        self.pods.insert(pod.name.clone(), Arc::clone(pod));
    }

    fn hint<'a>(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        names: impl ExactSizeIterator<Item = &'a ArcStr>,
    ) -> String {
        match similar(name, names) {
            some if some.is_empty() => format!("no {kind} of {namespace} are known"),
            some => format!("{kind} of {namespace}: {some}"),
        }
    }
}

/// Lists the names most like the one that doesn't exist, and the number of further ones.
fn similar<'a>(name: &str, names: impl ExactSizeIterator<Item = &'a ArcStr>) -> String {
    let count = names.len();
    let likeness = |other: &str| (strsim::jaro_winkler(name, other) * 1e6) as u32;
    let mut ranked: Vec<_> =
        names.take(HINTED).map(|other| (std::cmp::Reverse(likeness(other)), other)).collect();
    ranked.sort();
    ranked.truncate(HINTS);
    // The most similar names are chosen, and listed in alphabetical order.
    ranked.sort_by_key(|(_, name)| *name);
    let mut text = ranked.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
    if count > HINTS {
        text.push_str(&format!(" and {} more", count - HINTS));
    }
    text
}
