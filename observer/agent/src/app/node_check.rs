//! Whether the cluster has a node of our name.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Inventory;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// Of the names that there are, so many are told.
const SHOWN: usize = 5;

/// Says so when the cluster has nodes and none of this name, and when it has one again: nodes are renamed, and by default
/// the name is the host's.
pub(super) fn follow(
    node: ArcStr,
    mut inventories: watch::Receiver<Arc<Inventory>>,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let cancel = cancel.clone();
    tasks.spawn(async move {
        let mut known = true;
        while let Some(Ok(())) = cancel.run_until_cancelled(inventories.changed()).await {
            let now = others(&node, &inventories.borrow_and_update());
            match (now, known) {
                (Some(nodes), true) => warn!(
                    %node, nodes,
                    "the cluster has no node of this name, so no pod counts as this node's; --node-name gives the right one"
                ),
                (None, false) => info!(%node, "the cluster has this node again"),
                (Some(_), false) | (None, true) => continue,
            }
            known = !known;
        }
    });
}

/// The nodes' names, if ours is not among them.
fn others(node: &str, inventory: &Inventory) -> Option<String> {
    let names = || inventory.nodes.iter().map(|node| node.name.as_str());
    // A source without nodes says nothing of ours.
    if names().next().is_none() || names().any(|name| name == node) {
        return None;
    }
    let mut shown: Vec<_> = names().take(SHOWN).collect();
    if inventory.nodes.len() > SHOWN {
        shown.push("...");
    }
    Some(shown.join(", "))
}

#[cfg(test)]
mod tests {
    use flow_model::inventory::Node;

    use super::*;

    #[test]
    fn names_are_told_where_ours_is_missing() {
        let others = |names: &[&str]| {
            let node = |name: &&str| {
                Arc::new(Node { name: (*name).into(), labels: [].into(), ips: vec![], pod_cidrs: vec![] })
            };
            let inventory = Inventory { nodes: names.iter().map(node).collect(), ..Inventory::default() };
            others("n1", &inventory)
        };
        assert_eq!(others(&[]), None);
        assert_eq!(others(&["n0", "n1"]), None);
        assert_eq!(others(&["n10"]).as_deref(), Some("n10"));
        assert_eq!(others(&["a", "b", "c", "d", "e", "f"]).as_deref(), Some("a, b, c, d, e, ..."));
    }
}
