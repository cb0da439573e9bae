//! Random changes of a cluster.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::{Inventory, Labels, Pod};
use flow_model::network::Enforcer;
use flow_model::policies::{BrokenPolicy, NetworkPolicy, Policies, TierPolicy};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::arbitrary::{
    NAMESPACES, NODES, broken, enforcer, labels, network_policy, node, pod, put_namespace, put_pod,
    put_policy, tier_policy, word,
};

/// Describes one change of a cluster.
#[derive(Clone, Debug)]
pub enum Edit {
    PutPolicy(u8, NetworkPolicy),
    RemovePolicy(Index),
    PutTiered(Index, TierPolicy),
    RemoveTiered(Index),
    PutBroken(BrokenPolicy),
    RepairAll,
    PutPod(Pod),
    RemovePod(Index),
    Namespace(ArcStr, Option<Labels>),
    Node(usize, Labels),
    RemoveNode(Index),
    Enforcer(Enforcer),
    /// The same objects, read again.
    ReadAgain,
}

/// Generates any change.
pub fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (0u8..12, network_policy()).prop_map(|(n, policy)| Edit::PutPolicy(n, policy)),
        2 => any::<Index>().prop_map(Edit::RemovePolicy),
        2 => (any::<Index>(), tier_policy()).prop_map(|(n, policy)| Edit::PutTiered(n, policy)),
        1 => any::<Index>().prop_map(Edit::RemoveTiered),
        1 => broken().prop_map(Edit::PutBroken),
        1 => Just(Edit::RepairAll),
        4 => pod().prop_map(Edit::PutPod),
        2 => any::<Index>().prop_map(Edit::RemovePod),
        3 => (word(&NAMESPACES), prop::option::weighted(0.8, labels())).prop_map(|(name, l)| Edit::Namespace(name, l)),
        1 => (0..NODES.len(), labels()).prop_map(|(n, labels)| Edit::Node(n, labels)),
        1 => any::<Index>().prop_map(Edit::RemoveNode),
        1 => enforcer().prop_map(Edit::Enforcer),
        1 => Just(Edit::ReadAgain),
    ]
}

impl Edit {
    /// Applies the change.
    pub fn apply(&self, inventory: &mut Inventory) {
        let Inventory { policies, pods, nodes, enforcer, .. } = inventory;
        match self {
            Self::PutPolicy(n, policy) => {
                put_policy(policies, NetworkPolicy { name: arcstr::format!("p{n}"), ..policy.clone() });
            }
            Self::RemovePolicy(n) => remove(&mut policies.namespaced, *n),
            Self::PutTiered(n, policy) => {
                policies.tiered.insert(n.index(policies.tiered.len() + 1), Arc::new(policy.clone()));
            }
            Self::RemoveTiered(n) => remove(&mut policies.tiered, *n),
            Self::PutBroken(policy) => policies.broken.push(Arc::new(policy.clone())),
            Self::RepairAll => policies.broken.clear(),
            Self::PutPod(pod) => put_pod(inventory, pod.clone()),
            Self::RemovePod(n) => remove(pods, *n),
            Self::Namespace(name, labels) => put_namespace(inventory, name, labels.clone()),
            Self::Node(n, labels) => {
                nodes.retain(|node| node.name != NODES[*n]);
                nodes.push(Arc::new(node(*n, labels.clone())));
            }
            Self::RemoveNode(n) => remove(nodes, *n),
            Self::Enforcer(other) => *enforcer = *other,
            Self::ReadAgain => *inventory = read_again(inventory),
        }
    }
}

fn remove<T>(from: &mut Vec<T>, n: Index) {
    if !from.is_empty() {
        from.remove(n.index(from.len()));
    }
}

/// Returns an equal inventory that shares no allocation with this one.
pub fn read_again(inventory: &Inventory) -> Inventory {
    fn each<T: Clone>(of: &[Arc<T>]) -> Vec<Arc<T>> {
        of.iter().map(|one| Arc::new(T::clone(one))).collect()
    }
    let Policies { namespaced, tiered, broken } = &inventory.policies;
    Inventory {
        pods: each(&inventory.pods),
        namespaces: each(&inventory.namespaces),
        nodes: each(&inventory.nodes),
        policies: Policies { namespaced: each(namespaced), tiered: each(tiered), broken: each(broken) },
        ..inventory.clone()
    }
}
