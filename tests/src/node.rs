//! A k3s-like node: bridge `cni0`, pods on it, `eth0` on the LAN, forwarding, masquerade.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Result, ensure};

use crate::announce::Wire;
use crate::guard::Guard;
use crate::lan::{self, Lan};
use crate::netns::Netns;
use crate::pod::{self, Pod};
use crate::{cmd, service};

/// A node. Pod addresses are 10.42.N.0/24 and fd42:N::/64.
#[derive(Debug)]
pub struct Node {
    pub name: String,
    /// N, from 1.
    pub index: u8,
    pub ns: Netns,
    guard: Arc<Guard>,
    next_host: AtomicU8,
}

impl Node {
    /// Builds the node with the number `index` on the LAN.
    ///
    /// # Errors
    /// Fails when a tool fails or the kernel lacks bridge netfilter.
    pub fn new(guard: &Arc<Guard>, lan: &Lan, name: &str, index: u8) -> Result<Self> {
        let ns = Netns::new(guard, name)?;
        let node =
            Self { name: name.to_owned(), index, ns, guard: Arc::clone(guard), next_host: AtomicU8::new(10) };
        lan.connect(&node.ns, node.lan_host())?;
        node.build_bridge()?;
        node.set_sysctls()?;
        node.masquerade()?;
        service::prepare(&node)?;
        Ok(node)
    }

    /// Number of the node on the LAN.
    #[must_use]
    pub fn lan_host(&self) -> u8 {
        10 + self.index
    }

    /// The node's address, as Kubernetes lists it.
    #[must_use]
    pub fn ip4(&self) -> Ipv4Addr {
        lan::ip4(self.lan_host())
    }

    /// The node's IPv6 address.
    #[must_use]
    pub fn ip6(&self) -> Ipv6Addr {
        lan::ip6(self.lan_host())
    }

    /// Pod address number `host`.
    #[must_use]
    pub fn pod_ip4(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 42, self.index, host)
    }

    /// IPv6 pod address number `host`.
    #[must_use]
    pub fn pod_ip6(&self, host: u8) -> Ipv6Addr {
        Ipv6Addr::new(0xfd42, u16::from(self.index), 0, 0, 0, 0, 0, u16::from(host))
    }

    /// Starts a pod at the next free address.
    ///
    /// # Errors
    /// Fails when a tool fails.
    pub fn add_pod(&self, namespace: &str, name: &str) -> Result<Pod> {
        self.add_pod_at(self.next_host.fetch_add(1, Ordering::Relaxed), namespace, name)
    }

    /// Starts a pod at address number `host`, which must be free.
    ///
    /// # Errors
    /// Fails when a tool fails.
    pub fn add_pod_at(&self, host: u8, namespace: &str, name: &str) -> Result<Pod> {
        pod::start(self, &self.guard, host, namespace, name)
    }

    /// Runs `iptables` or `ip6tables`, as the address needs.
    ///
    /// # Errors
    /// Fails when the tool fails.
    pub fn iptables(&self, family: IpAddr, args: &str) -> Result<String> {
        self.ns.exec(format!("{} -w {args}", tool(family)))
    }

    /// Moves the node's addresses and routes from `eth0` to a bridge with the same MAC, of which `eth0` becomes a port, as on
    /// hosts that also run virtual machines.
    ///
    /// # Errors
    /// Fails when a tool fails.
    pub fn bridge_uplink(&self) -> Result<()> {
        let (ip4, ip6, gateway4, gateway6) = (self.ip4(), self.ip6(), lan::ip4(1), lan::ip6(1));
        let mac = Wire::open(&self.ns)?.mac();
        self.ns.ip_batch(&format!(
            "link add br0 address {mac} type bridge forward_delay 0 mcast_snooping 0\n\
             route del default via {gateway6} dev eth0\n\
             addr flush dev eth0\n\
             link set eth0 master br0\n\
             link set br0 up\n\
             addr add {ip4}/24 dev br0\n\
             addr add {ip6}/64 dev br0 nodad\n\
             route add default via {gateway4}\n\
             route add default via {gateway6}\n"
        ))
    }

    fn build_bridge(&self) -> Result<()> {
        self.ns.ip_batch(&format!(
            "link add cni0 type bridge forward_delay 0 mcast_snooping 0\n\
             addr add {}/24 dev cni0\n\
             addr add {}/64 dev cni0 nodad\n\
             link set cni0 up\n",
            self.pod_ip4(1),
            self.pod_ip6(1)
        ))
    }

    fn set_sysctls(&self) -> Result<()> {
        self.ns.sysctl("net.ipv4.ip_forward", "1")?;
        self.ns.sysctl("net.ipv6.conf.all.forwarding", "1")?;
        if !Path::new("/proc/sys/net/bridge").exists() {
            cmd::try_run("modprobe br_netfilter");
        }
        // Without it the answer of a ClusterIP's backend on the same bridge would skip the un-DNAT.
        let there = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists();
        ensure!(there, "this kernel has no br_netfilter, which every k3s node needs");
        self.ns.sysctl("net.bridge.bridge-nf-call-iptables", "1")?;
        self.ns.sysctl("net.bridge.bridge-nf-call-ip6tables", "1")?;
        // REJECT answers every SYN: rate limits would make some of them silent.
        self.ns.sysctl("net.ipv4.icmp_ratemask", "0")?;
        self.ns.try_sysctl("net.ipv4.icmp_ratelimit", "0");
        self.ns.try_sysctl("net.ipv4.icmp_msgs_per_sec", "1000000");
        self.ns.try_sysctl("net.ipv4.icmp_msgs_burst", "100000");
        self.ns.sysctl("net.ipv6.icmp.ratelimit", "0")?;
        self.ns.try_sysctl("net.ipv6.icmp.ratemask", "\n");
        Ok(())
    }

    /// Adds flannel's rule: traffic of pods that leaves the cluster gets the node's address.
    fn masquerade(&self) -> Result<()> {
        for (family, net) in [(IpAddr::V4(self.ip4()), "10.42.0.0/16"), (IpAddr::V6(self.ip6()), "fd42::/16")]
        {
            self.iptables(family, &format!("-t nat -A POSTROUTING -s {net} ! -d {net} -j MASQUERADE"))?;
        }
        Ok(())
    }
}

/// The tool for an address family.
pub(crate) fn tool(family: IpAddr) -> &'static str {
    if family.is_ipv4() { "iptables" } else { "ip6tables" }
}
