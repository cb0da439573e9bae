//! The workloads that exist, so that the metrics of those that left can expire.

use std::collections::{HashMap, HashSet};

use arcstr::ArcStr;
use flow_model::inventory::Inventory;
use flow_model::object_ref::ObjectRef;

/// Holds the workloads that had a pod and were not yet reported as departed, by namespace.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    known: HashMap<ArcStr, HashSet<ArcStr>>,
    /// Is true when a workload may have departed since the last look.
    changed: bool,
}

impl Workloads {
    /// Adds the workloads of a new snapshot.
    pub(super) fn apply(&mut self, inventory: &Inventory) {
        for pod in inventory.pods.iter().filter(|pod| !pod.finished) {
            let names = self.known.entry(pod.namespace.clone()).or_default();
            if !names.contains(&pod.workload.name) {
                names.insert(pod.workload.name.clone());
            }
        }
        self.changed = true;
    }

    /// Notes that remembered pods were forgotten.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    /// Is true when the workload has not departed.
    #[cfg(test)]
    pub(super) fn contains(&self, namespace: &str, workload: &str) -> bool {
        self.known.get(namespace).is_some_and(|names| names.contains(workload))
    }

    /// Removes and returns those that are not alive, in the order of their names.
    pub(super) fn departed<'a>(
        &mut self,
        alive: impl Iterator<Item = (&'a ArcStr, &'a ArcStr)>,
    ) -> Vec<ObjectRef> {
        if !std::mem::take(&mut self.changed) {
            return Vec::new();
        }
        let alive: HashSet<_> = alive.collect();
        let mut departed = Vec::new();
        for (namespace, names) in &mut self.known {
            let gone = names.extract_if(|name| !alive.contains(&(namespace, name)));
            departed.extend(gone.map(|name| ObjectRef::new(namespace.clone(), name)));
        }
        self.known.retain(|_, names| !names.is_empty());
        departed.sort();
        departed
    }
}
