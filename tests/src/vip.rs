//! A load-balancer address that moves between nodes, and the usual site around it.

mod site;

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use flow_model::mac::Mac;

use crate::announce::{Pattern, Speaker, Wire};
use crate::lan::Host;
use crate::netns::Netns;
use crate::node::Node;
use crate::service;

pub use site::{NODES, PORT, SERVICE, Setup, Site, VIP4, VIP6};

/// The way in which a node has the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The address is on no interface: a speaker answers for it and DNAT takes it, as with MetalLB.
    Speaker,
    /// The address is on `eth0`, as with keepalived.
    Address,
}

/// `externalTrafficPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Clients keep their address.
    Local,
    /// Clients get an address of the announcing node.
    Cluster,
}

/// An address and port of a Service of type `LoadBalancer`, at one node at a time.
#[derive(Debug)]
pub struct Vip {
    at: SocketAddr,
    hold: Hold,
    holder: Option<Holder>,
}

#[derive(Debug)]
struct Holder {
    node: Netns,
    /// The address, if the node has it on its interface.
    address: Option<IpAddr>,
    /// Ends with the holder.
    _speaker: Option<Speaker>,
}

impl Vip {
    /// Returns it without a holder.
    #[must_use]
    pub fn new(at: SocketAddr, hold: Hold) -> Self {
        Self { at, hold, holder: None }
    }

    /// Returns the address and port for clients.
    #[must_use]
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// Forwards connections for the address from a node to `backend`, even while the node doesn't have the address.
    ///
    /// # Errors
    /// Fails when iptables fails.
    pub fn serve(&self, node: &Node, backend: SocketAddr, traffic: Traffic) -> Result<()> {
        service::forward(node, self.at, backend)?;
        if traffic == Traffic::Cluster {
            let (vip, to, port) = (self.at.ip(), backend.ip(), backend.port());
            let masquerade = format!(
                "-t nat -I POSTROUTING -d {to} -p tcp --dport {port} -m conntrack --ctorigdst {vip} -j MASQUERADE"
            );
            node.iptables(to, &masquerade)?;
        }
        Ok(())
    }

    /// Moves the address to the node: the old holder releases it, and the node announces it. Returns the MAC that
    /// claims it now.
    ///
    /// # Errors
    /// Fails when a tool fails.
    pub fn move_to(&mut self, node: &Node, pattern: Pattern) -> Result<Mac> {
        if self.holder.as_ref().is_some_and(|holder| holder.node.name() == node.ns.name()) {
            return self.announce(node, pattern);
        }
        let new = Holder::take(&node.ns, self.at.ip(), self.hold)?;
        drop(self.holder.replace(new));
        self.announce(node, pattern)
    }

    /// Lets the node announce the address, whether it has the address or not.
    ///
    /// # Errors
    /// Fails when the node has no `eth0`, or a frame can't be sent.
    pub fn announce(&self, node: &Node, pattern: Pattern) -> Result<Mac> {
        let wire = Wire::open(&node.ns)?;
        wire.announce(self.at.ip(), pattern)?;
        Ok(wire.mac())
    }
}

impl Holder {
    fn take(node: &Netns, ip: IpAddr, hold: Hold) -> Result<Self> {
        let speaker = match hold {
            Hold::Speaker => Some(Speaker::start(node, ip)?),
            Hold::Address => None,
        };
        let address = (hold == Hold::Address).then_some(ip);
        if address.is_some() {
            node.ip(format!("addr add {} dev eth0{}", host(ip), if ip.is_ipv6() { " nodad" } else { "" }))?;
        }
        Ok(Self { node: node.clone(), address, _speaker: speaker })
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Some(ip) = self.address {
            drop(self.node.ip(format!("addr del {} dev eth0", host(ip))));
        }
    }
}

/// Returns the address with the prefix length of a single address.
fn host(ip: IpAddr) -> String {
    format!("{ip}/{}", if ip.is_ipv4() { 32 } else { 128 })
}

/// Returns the MAC that a host has for `ip`, if any.
///
/// # Errors
/// Fails when `ip` fails.
pub fn neighbour(host: &Host, ip: IpAddr) -> Result<Option<Mac>> {
    let shown = host.ns.ip(format!("neigh show {ip} dev eth0"))?;
    let mut words = shown.split_whitespace().skip_while(|word| *word != "lladdr").skip(1);
    words.next().map(|mac| mac.parse().map_err(anyhow::Error::msg).context("neighbour")).transpose()
}
