//! A connection, and the part of the cluster on which its verdict depends.

use std::sync::Arc;

use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::Decision;
use flow_model::inventory::{Inventory, Namespace, Pod};
use flow_model::network::Enforcer;
use flow_model::policies::Policies;

use crate::Plain;
use crate::history::change::ObjectChange;
use crate::history::policy::{Key, Policy};
use crate::history::versions::Versions;
use crate::readings::is_same_pod;

/// Holds a connection and the objects that decide about it. It is small enough to be copied and judged for each change
/// that is undone.
#[derive(Clone, Debug)]
pub(super) struct Scene<'a> {
    inventory: Inventory,
    connection: Connection<'a>,
    /// The two pods as they were, once a change of their labels is undone.
    src: Option<Arc<Pod>>,
    dst: Option<Arc<Pod>>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(inventory: &Inventory, connection: &Connection<'a>) -> Self {
        let parties = [connection.src, connection.dst];
        let near = |namespace: &str| parties.iter().any(|party| is_in(party, namespace));
        let all = &inventory.policies;
        let policies = Policies {
            namespaced: all.namespaced.iter().filter(|p| near(&p.namespace)).cloned().collect(),
            tiered: all.tiered.clone(),
            broken: all.broken.iter().filter(|p| p.tier.is_some() || near(&p.namespace)).cloned().collect(),
        };
        // kube-router looks at other pods, by the labels of their namespaces, to find what a name of a port means.
        let looks_around = inventory.enforcer == Enforcer::KubeRouter;
        let pods = if looks_around { inventory.pods.clone() } else { Vec::new() };
        let namespaces = inventory.namespaces.iter().filter(|n| looks_around || near(&n.name));
        let inventory = Inventory {
            enforcer: inventory.enforcer,
            pods,
            nodes: inventory.nodes.clone(),
            namespaces: namespaces.cloned().collect(),
            policies,
            ..Inventory::default()
        };
        Self { inventory, connection: *connection, src: None, dst: None }
    }

    pub(super) fn decision(&self) -> Decision {
        let connection = Connection {
            src: as_it_was(self.connection.src, self.src.as_deref()),
            dst: as_it_was(self.connection.dst, self.dst.as_deref()),
            ..self.connection
        };
        Plain::new(Arc::new(self.inventory.clone())).rule(&connection).decision()
    }

    /// Returns the scene without a change.
    pub(super) fn without(&self, what: &ObjectChange) -> Self {
        let mut scene = self.clone();
        scene.undo(what);
        scene
    }

    /// Undoes a change.
    pub(super) fn undo(&mut self, what: &ObjectChange) {
        let policies = &mut self.inventory.policies;
        match what {
            ObjectChange::Policy(policy) => {
                remove_broken(policies, policy.key().as_ref());
                replace(&mut policies.namespaced, policy);
            }
            ObjectChange::Tiered(policy) => {
                remove_broken(policies, policy.key().as_ref());
                replace(&mut policies.tiered, policy);
            }
            ObjectChange::Namespace(before, _) => replace_namespace(&mut self.inventory.namespaces, before),
            ObjectChange::Pod(before, _) => {
                for (party, was) in
                    [(self.connection.src, &mut self.src), (self.connection.dst, &mut self.dst)]
                {
                    if matches!(party.who, Who::Pod(pod) if is_same_pod(pod, before)) {
                        *was = Some(Arc::clone(before));
                    }
                }
            }
        }
    }
}

fn is_in(party: &Party<'_>, namespace: &str) -> bool {
    matches!(party.who, Who::Pod(pod) if pod.namespace == namespace)
}

fn as_it_was<'b>(party: Party<'b>, was: Option<&'b Pod>) -> Party<'b> {
    Party { who: was.map_or(party.who, Who::Pod), ..party }
}

/// Removes a policy that is broken in one version, because the other version takes its place.
fn remove_broken(policies: &mut Policies, key: Option<&Key>) {
    policies.broken.retain(|broken| Key::of_broken(broken).as_ref() != key);
}

fn replace<T: Policy>(policies: &mut Vec<Arc<T>>, versions: &Versions<T>) {
    let Some(key) = versions.key() else { return };
    policies.retain(|policy| policy.key() != key);
    policies.extend(versions.before.clone());
}

fn replace_namespace(namespaces: &mut [Arc<Namespace>], before: &Arc<Namespace>) {
    for namespace in namespaces.iter_mut().filter(|namespace| namespace.name == before.name) {
        *namespace = Arc::clone(before);
    }
}
