//! A pod: a namespace with `eth0`, whose other end is a port of the node's `cni0`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;

use crate::guard::Guard;
use crate::netns::Netns;
use crate::node::Node;

/// A running pod; dropping it deletes it.
#[derive(Debug)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub ns: Netns,
    pub ip4: Ipv4Addr,
    pub ip6: Ipv6Addr,
    /// Host side of its veth, in the node.
    pub veth: String,
    /// Last number of its addresses.
    pub host: u8,
    node: Netns,
}

pub(crate) fn start(node: &Node, guard: &Arc<Guard>, host: u8, namespace: &str, name: &str) -> Result<Pod> {
    let id = next_id();
    let ns = Netns::new(guard, &format!("pod{id}"))?;
    let pod = Pod {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ns,
        ip4: node.pod_ip4(host),
        ip6: node.pod_ip6(host),
        veth: format!("veth{id:08x}"),
        host,
        node: node.ns.clone(),
    };
    pod.wire(node)?;
    Ok(pod)
}

/// Numbers pods through the process, so that neither a namespace nor a veth name comes twice.
fn next_id() -> u32 {
    static PODS: AtomicU32 = AtomicU32::new(1);
    PODS.fetch_add(1, Ordering::Relaxed)
}

impl Pod {
    /// `ip4:port`.
    #[must_use]
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.ip4), port)
    }

    /// `[ip6]:port`.
    #[must_use]
    pub fn at6(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V6(self.ip6), port)
    }

    /// Deletes the pod now. Threads that still hold its sockets keep the sockets, not the interface.
    pub fn delete(self) {
        drop(self);
    }

    /// The pod's side is ready before the host's side appears on the bridge, as with a real CNI plugin.
    fn wire(&self, node: &Node) -> Result<()> {
        let [a, b, c, d] = self.ip4.octets();
        // The bridge plugin derives the MAC from the address, so a reused address needs no new ARP.
        let mac = format!("0a:58:{a:02x}:{b:02x}:{c:02x}:{d:02x}");
        self.node.ip(format!(
            "link add {} type veth peer name eth0 address {mac} netns {}",
            self.veth,
            self.ns.name()
        ))?;
        self.ns.ip_batch(&format!(
            "addr add {}/24 dev eth0\n\
             addr add {}/64 dev eth0 nodad\n\
             link set eth0 up\n\
             route add default via {}\n\
             route add default via {}\n",
            self.ip4,
            self.ip6,
            node.pod_ip4(1),
            node.pod_ip6(1)
        ))?;
        self.node.ip_batch(&format!(
            "link set {veth} master cni0\n\
             link set {veth} type bridge_slave hairpin on\n\
             link set {veth} up\n",
            veth = self.veth
        ))
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // Sockets of server threads may keep the namespace alive for a moment; the interface goes now.
        drop(self.node.ip(format!("link del {}", self.veth)));
    }
}
