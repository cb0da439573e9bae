//! Checks that the cluster has a node with this agent's node name.

use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::inventory::Inventory;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::tasks::Tasks;

/// Most node names that the warning lists.
const SHOWN: usize = 5;

/// Warns when the cluster has nodes but none with this name, and logs when it has one again. By default the name is the
/// host's, which need not be the node's.
pub(super) fn follow(
    node: ArcStr,
    mut inventories: watch::Receiver<Arc<Inventory>>,
    tasks: &Tasks,
    cancel: &CancellationToken,
) {
    let cancel = cancel.clone();
    tasks.spawn(async move {
        let mut known = true;
        while let Some(Ok(())) = cancel.run_until_cancelled(inventories.changed()).await {
            let now = other_names(&node, &inventories.borrow_and_update());
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

/// Returns the nodes' names, if this agent's is not among them.
fn other_names(node: &str, inventory: &Inventory) -> Option<String> {
    let names = || inventory.nodes.iter().map(|node| node.name.as_str());
    // A source without any node proves nothing.
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
mod tests;
