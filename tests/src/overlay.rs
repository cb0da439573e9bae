//! VXLAN between nodes, as flannel sets it up: `flannel.1`, static neighbours and forwarding entries, a route per node.

use anyhow::Result;

use crate::node::Node;

const VNI: u8 = 1;
const PORT: u16 = 8472;

/// Connects the pod networks of all `nodes`.
///
/// # Errors
/// Fails when a tool fails.
pub fn join(nodes: &[&Node]) -> Result<()> {
    for node in nodes {
        add_device(node)?;
    }
    for node in nodes {
        for peer in nodes.iter().filter(|peer| peer.index != node.index) {
            add_peer(node, peer)?;
        }
    }
    Ok(())
}

fn mac(node: &Node) -> String {
    format!("0e:0e:0e:0e:0e:{:02x}", node.index)
}

/// Next hop of a node's pods on the overlay.
fn hops(node: &Node) -> (String, String) {
    (node.pod_ip4(0).to_string(), format!("fd42:ffff::{:x}", node.index))
}

fn add_device(node: &Node) -> Result<()> {
    let (v4, v6) = hops(node);
    node.ns.ip_batch(&format!(
        "link add flannel.1 address {} type vxlan id {VNI} local {} dev eth0 dstport {PORT} nolearning\n\
         addr add {v4}/32 dev flannel.1\n\
         addr add {v6}/128 dev flannel.1 nodad\n\
         link set flannel.1 up\n",
        mac(node),
        node.ip4(),
    ))
}

fn add_peer(node: &Node, peer: &Node) -> Result<()> {
    let (v4, v6) = hops(peer);
    let mac = mac(peer);
    node.ns.ip_batch(&format!(
        "neigh add {v4} lladdr {mac} dev flannel.1 nud permanent\n\
         neigh add {v6} lladdr {mac} dev flannel.1 nud permanent\n\
         route add {v4}/24 via {v4} dev flannel.1 onlink\n\
         route add {} via {v6} dev flannel.1 onlink\n",
        format_args!("{}/64", peer.pod_ip6(0)),
    ))?;
    let fdb = format!("bridge fdb append {mac} dev flannel.1 dst {}", peer.ip4());
    node.ns.exec(fdb).map(drop)
}
