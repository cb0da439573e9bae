//! The wire between nodes: a bridge in a namespace of its own, which is also the gateway and the outside world.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use anyhow::Result;

use crate::guard::Guard;
use crate::netns::Netns;

/// An address outside the cluster, behind the gateway.
pub const OUTSIDE4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// The same in IPv6.
pub const OUTSIDE6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);

/// The L2 segment of a lab, 10.0.20.0/24 and fd20::/64.
#[derive(Clone, Debug)]
pub struct Lan {
    /// The switch. It owns [`OUTSIDE4`] and [`OUTSIDE6`], so servers in it are "the internet".
    pub ns: Netns,
}

/// A host on the LAN that is not a node.
#[derive(Clone, Debug)]
pub struct Host {
    pub ns: Netns,
    pub ip4: Ipv4Addr,
    pub ip6: Ipv6Addr,
}

/// Returns address number `host` of the LAN.
#[must_use]
pub fn ip4(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 20, host)
}

/// Returns IPv6 address number `host` of the LAN.
#[must_use]
pub fn ip6(host: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd20, 0, 0, 0, 0, 0, 0, u16::from(host))
}

impl Lan {
    /// Builds the switch.
    ///
    /// # Errors
    /// Fails when a tool fails.
    pub fn new(guard: &Arc<Guard>) -> Result<Self> {
        let ns = Netns::new(guard, "switch")?;
        ns.ip_batch(&format!(
            "link add lan type bridge forward_delay 0 mcast_snooping 0\n\
             link set lan up\n\
             addr add {}/24 dev lan\n\
             addr add {}/64 dev lan nodad\n\
             addr add {OUTSIDE4}/32 dev lo\n\
             addr add {OUTSIDE6}/128 dev lo nodad\n",
            ip4(1),
            ip6(1)
        ))?;
        Ok(Self { ns })
    }

    /// Gives `ns` an `eth0` on the segment, addresses and a default route.
    ///
    /// # Errors
    /// Fails when a tool fails.
    pub fn connect(&self, ns: &Netns, host: u8) -> Result<()> {
        let port = format!("p{host}");
        ns.ip(format!("link add eth0 type veth peer name {port} netns {}", self.ns.name()))?;
        self.ns.ip_batch(&format!("link set {port} master lan\nlink set {port} up\n"))?;
        ns.ip_batch(&format!(
            "addr add {}/24 dev eth0\n\
             addr add {}/64 dev eth0 nodad\n\
             link set eth0 up\n\
             route add default via {}\n\
             route add default via {}\n",
            ip4(host),
            ip6(host),
            ip4(1),
            ip6(1)
        ))
    }

    /// Adds a plain host to the segment.
    ///
    /// # Errors
    /// Fails when a tool fails.
    pub fn host(&self, guard: &Arc<Guard>, name: &str, host: u8) -> Result<Host> {
        let ns = Netns::new(guard, name)?;
        self.connect(&ns, host)?;
        Ok(Host { ns, ip4: ip4(host), ip6: ip6(host) })
    }
}
