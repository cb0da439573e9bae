//! Ethernet frames in which a host claims an address, or asks for its owner.

use std::net::{Ipv4Addr, Ipv6Addr};

use flow_model::mac::Mac;

use crate::traffic::raw::checksum;

/// `ff:ff:ff:ff:ff:ff`.
pub const BROADCAST: Mac = Mac([0xff; 6]);

/// Ethernet's smallest payload; Go's libraries pad to it.
const MIN_PAYLOAD: usize = 46;

const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);

/// An ARP packet.
#[derive(Clone, Copy, Debug)]
pub struct Arp {
    /// 1 is a request, 2 a reply.
    pub operation: u16,
    pub sender: (Mac, Ipv4Addr),
    pub target: (Mac, Ipv4Addr),
}

impl Arp {
    /// Returns the frame that carries it.
    #[must_use]
    pub fn frame(self, to: Mac) -> Vec<u8> {
        let mut arp = vec![0, 1, 8, 0, 6, 4];
        arp.extend(self.operation.to_be_bytes());
        for (mac, ip) in [self.sender, self.target] {
            arp.extend(mac.0);
            arp.extend(ip.octets());
        }
        arp.resize(MIN_PAYLOAD, 0);
        ethernet(to, self.sender.0, ARP, &arp)
    }
}

/// Returns a frame with a payload of some type between two hosts.
#[must_use]
pub fn ethernet(to: Mac, from: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    [to.0.as_slice(), &from.0, &kind.to_be_bytes(), payload].concat()
}

/// Returns a gratuitous request, as MetalLB and arping send it.
#[must_use]
pub fn gratuitous_request(ip: Ipv4Addr, mac: Mac) -> Vec<u8> {
    Arp { operation: 1, sender: (mac, ip), target: (BROADCAST, ip) }.frame(BROADCAST)
}

/// Returns a gratuitous reply.
#[must_use]
pub fn gratuitous_reply(ip: Ipv4Addr, mac: Mac) -> Vec<u8> {
    Arp { operation: 2, sender: (mac, ip), target: (BROADCAST, ip) }.frame(BROADCAST)
}

/// Returns an unsolicited neighbour advertisement to all nodes: override flag, target link-layer address.
#[must_use]
pub fn advertisement(ip: Ipv6Addr, mac: Mac) -> Vec<u8> {
    Advertisement::unsolicited(ip, mac).frame()
}

/// A neighbour advertisement, with fields for everything that can be wrong in it.
#[derive(Clone, Debug)]
pub struct Advertisement {
    pub from: Mac,
    pub to: (Mac, Ipv6Addr),
    pub hop_limit: u8,
    pub code: u8,
    /// 0x20 override, 0x40 solicited, 0x80 router.
    pub flags: u8,
    pub target: Ipv6Addr,
    pub options: Vec<u8>,
}

impl Advertisement {
    /// Returns one as announcers send it.
    #[must_use]
    pub fn unsolicited(target: Ipv6Addr, mac: Mac) -> Self {
        Self {
            from: mac,
            to: (ALL_NODES_MAC, ALL_NODES),
            hop_limit: 255,
            code: 0,
            flags: 0x20,
            target,
            options: link_layer_option(mac),
        }
    }

    /// Returns the answer to a solicitation of `asker`.
    #[must_use]
    pub fn solicited(target: Ipv6Addr, mac: Mac, asker: (Mac, Ipv6Addr)) -> Self {
        Self { to: asker, flags: 0x60, ..Self::unsolicited(target, mac) }
    }

    /// Returns the frame that carries it.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let source = link_local(self.from);
        let mut icmp = vec![136, self.code, 0, 0, self.flags, 0, 0, 0];
        icmp.extend(self.target.octets());
        icmp.extend(&self.options);
        let length = u16::try_from(icmp.len()).unwrap_or(u16::MAX);
        let pseudo =
            [&source.octets()[..], &self.to.1.octets(), &[0, 0], &length.to_be_bytes(), &[0, 0, 0, 58]]
                .concat();
        let sum = checksum(&[pseudo, icmp.clone()].concat());
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([58, self.hop_limit]);
        packet.extend(source.octets());
        packet.extend(self.to.1.octets());
        packet.extend(icmp);
        ethernet(self.to.0, self.from, IPV6, &packet)
    }
}

/// Option 2, one unit of eight bytes.
#[must_use]
pub fn link_layer_option(mac: Mac) -> Vec<u8> {
    [&[2, 1], mac.0.as_slice()].concat()
}

/// Returns the link-local address of a host.
fn link_local(Mac([a, b, c, d, e, f]): Mac) -> Ipv6Addr {
    let pair = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, pair(a ^ 2, b), pair(c, 0xff), pair(0xfe, d), pair(e, f))
}

#[cfg(test)]
mod tests;
