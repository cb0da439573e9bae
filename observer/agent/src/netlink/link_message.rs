//! Decodes messages about interfaces.

use std::net::IpAddr;

use crate::netlink::rtnetlink::IFINFOMSG;
use crate::netlink::wire::{attribute, attributes, text, u16_at, u32_at};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VXLAN_LINK: u16 = 3;
const IFLA_VXLAN_LOCAL: u16 = 4;
const IFLA_VXLAN_LOCAL6: u16 = 17;
/// `arphrd` of Ethernet.
pub(super) const ARPHRD_ETHER: u16 = 1;
const ARPHRD_LOOPBACK: u16 = 772;
const IFF_UP: u32 = 1;

/// Holds the attributes of an `RTM_NEWLINK` that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LinkMessage {
    pub(super) ifindex: u32,
    pub(super) name: String,
    /// `veth`, `bridge`, ...; empty for hardware.
    pub(super) kind: String,
    pub(super) arphrd: u16,
    pub(super) up: bool,
    pub(super) master: Option<u32>,
    /// The veth's other end, in whichever namespace.
    pub(super) peer: Option<u32>,
    pub(super) peer_elsewhere: bool,
    /// The kernel's number of the namespace where the other end is, if it has one here.
    pub(super) namespace: Option<u32>,
    pub(super) address: Vec<u8>,
    /// The interface that a VXLAN device sends its packets by, where it is bound to one.
    pub(super) underlay: Option<u32>,
    /// The address that a VXLAN device sends its packets from, where it has one.
    pub(super) local: Option<IpAddr>,
}

impl LinkMessage {
    /// Decodes the body of an `RTM_NEWLINK` or `RTM_DELLINK`. `None` for bridge-port messages, which describe the same
    /// interface again with fewer attributes.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        if *body.first()? != 0 {
            return None;
        }
        let mut link = Self {
            ifindex: u32_at(body, 4)?,
            arphrd: u16_at(body, 2)?,
            up: u32_at(body, 8)? & IFF_UP != 0,
            ..Self::default()
        };
        for (kind, value) in attributes(body.get(IFINFOMSG..)?) {
            match kind {
                IFLA_IFNAME => link.name = text(value),
                IFLA_ADDRESS => link.address = value.to_vec(),
                IFLA_MASTER => link.master = u32_at(value, 0).filter(|&master| master != 0),
                IFLA_LINK => link.peer = u32_at(value, 0).filter(|&peer| peer != 0),
                IFLA_LINK_NETNSID => {
                    link.peer_elsewhere = true;
                    link.namespace = u32_at(value, 0).filter(|&id| i32::try_from(id).is_ok());
                }
                IFLA_LINKINFO => link.info(value),
                _ => {}
            }
        }
        (link.ifindex != 0).then_some(link)
    }

    fn info(&mut self, info: &[u8]) {
        self.kind = attribute(info, IFLA_INFO_KIND).map(text).unwrap_or_default();
        let data = attribute(info, IFLA_INFO_DATA).filter(|_| self.kind == "vxlan").unwrap_or_default();
        for (kind, value) in attributes(data) {
            match kind {
                IFLA_VXLAN_LINK => self.underlay = u32_at(value, 0).filter(|&underlay| underlay != 0),
                IFLA_VXLAN_LOCAL => self.local = <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
                IFLA_VXLAN_LOCAL6 => self.local = <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
                _ => {}
            }
        }
    }

    /// Is true for a pair of interfaces with one end here and the other in a pod's namespace. Names don't matter: every
    /// CNI has its own pattern.
    pub(super) fn is_pod(&self) -> bool {
        matches!(self.kind.as_str(), "veth" | "netkit") && self.peer_elsewhere
    }

    /// Is true when this is another interface with the same ifindex: an index is used again after its owner has gone.
    pub(super) fn replaces(&self, old: &Self) -> bool {
        self.kind != old.kind || self.address != old.address || self.peer != old.peer
    }

    /// Is false for an interface that a default route may name, and that leads to no other machine: loopback, a dummy, and
    /// a veth whose other end is here.
    pub(super) fn may_lead_out(&self) -> bool {
        let inside = self.kind == "veth" && self.peer.is_some() && !self.peer_elsewhere;
        !self.is_loopback() && self.kind != "dummy" && !inside
    }

    pub(super) fn has_ethernet_header(&self) -> bool {
        matches!(self.arphrd, ARPHRD_ETHER | ARPHRD_LOOPBACK)
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.arphrd == ARPHRD_LOOPBACK
    }
}

/// Returns the kernel's number of the namespace where the other end of an interface is, if that is not this one.
pub(super) fn namespace_of_peer(body: &[u8]) -> Option<u32> {
    attribute(body.get(IFINFOMSG..)?, IFLA_LINK_NETNSID).and_then(|value| u32_at(value, 0))
}

#[cfg(test)]
mod tests;
