//! The addresses of Nodes: an interface that has one leads to other nodes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use flow_model::inventory::{Inventory, Node};
use tokio::sync::watch;

/// Follows the addresses of every Node, also those that flannel uses. Of this machine's addresses only its own Node's are
/// among them.
pub(super) struct Nodes {
    cluster: watch::Receiver<Arc<Inventory>>,
    pub(super) addresses: BTreeSet<IpAddr>,
}

impl Nodes {
    pub(super) fn new(mut cluster: watch::Receiver<Arc<Inventory>>) -> Self {
        let addresses = addresses(&cluster.borrow_and_update());
        Self { cluster, addresses }
    }

    /// Waits until the addresses have changed.
    pub(super) async fn changed(&mut self) {
        while self.cluster.changed().await.is_ok() {
            let now = addresses(&self.cluster.borrow_and_update());
            if now != self.addresses {
                self.addresses = now;
                return;
            }
        }
        // Nothing will change any more.
        std::future::pending::<()>().await;
    }
}

fn addresses(inventory: &Inventory) -> BTreeSet<IpAddr> {
    let of_node = |node: &Arc<Node>| node.ips.iter().chain(&node.flannel_ips).copied().collect::<Vec<_>>();
    inventory.nodes.iter().flat_map(of_node).collect()
}
