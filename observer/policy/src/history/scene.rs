//! A connection, and of the cluster what its verdict depends on.

use std::sync::Arc;

use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::Decision;
use flow_model::inventory::{Inventory, Namespace, Pod};
use flow_model::policies::Policies;

use crate::Plain;
use crate::history::change::{Edit, Policy, What, is_same};

/// Small enough to be copied and judged for each change taken back.
#[derive(Clone, Debug)]
pub(super) struct Scene<'a> {
    inventory: Inventory,
    connection: Connection<'a>,
    /// The two pods as they were, once a change of their labels is taken back.
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
        let inventory = Inventory {
            nodes: inventory.nodes.clone(),
            namespaces: inventory.namespaces.iter().filter(|n| near(&n.name)).cloned().collect(),
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

    /// Makes it as it was before.
    pub(super) fn undo(&mut self, what: &What) {
        let policies = &mut self.inventory.policies;
        match what {
            What::Policy(edit) => {
                policies.broken.retain(|b| b.tier.is_some() || !is_named(edit, &b.namespace, &b.name));
                replace(&mut policies.namespaced, edit);
            }
            What::Tiered(edit) => {
                policies.broken.retain(|b| b.tier.is_none() || !is_named(edit, &b.kind, &b.name));
                replace(&mut policies.tiered, edit);
            }
            What::Namespace(before, _) => replace_namespace(&mut self.inventory.namespaces, before),
            What::Pod(before, _) => {
                for (party, was) in
                    [(self.connection.src, &mut self.src), (self.connection.dst, &mut self.dst)]
                {
                    if matches!(party.who, Who::Pod(pod) if is_same(pod, before)) {
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

fn is_named<T: Policy>(edit: &Edit<T>, scope: &str, name: &str) -> bool {
    let mut versions = edit.before.iter().chain(&edit.after);
    versions.any(|policy| {
        let (_, own_scope, own_name) = policy.key();
        own_scope == scope && own_name == name
    })
}

fn replace<T: Policy>(policies: &mut Vec<Arc<T>>, edit: &Edit<T>) {
    let (_, scope, name) = match edit.after.as_ref().or(edit.before.as_ref()) {
        Some(policy) => policy.key(),
        None => return,
    };
    policies.retain(|policy| {
        let (_, own_scope, own_name) = policy.key();
        (own_scope, own_name) != (scope.clone(), name.clone())
    });
    policies.extend(edit.before.clone());
}

fn replace_namespace(namespaces: &mut [Arc<Namespace>], before: &Arc<Namespace>) {
    for namespace in namespaces.iter_mut().filter(|namespace| namespace.name == before.name) {
        *namespace = Arc::clone(before);
    }
}
