//! Decodes messages about neighbours and addresses.

use std::net::IpAddr;

use flow_model::mac::Mac;

use crate::netlink::rtnetlink::{AF_INET, AF_INET6, IFADDRMSG, octets};
use crate::netlink::wire::{attributes, put, u16_at, u32_at};

/// `sizeof(struct ndmsg)`.
pub(super) const NDMSG: usize = 12;
pub(super) const NDA_DST: u16 = 1;
pub(super) const NDA_LLADDR: u16 = 2;
pub(super) const IFA_ADDRESS: u16 = 1;
pub(super) const IFA_LOCAL: u16 = 2;
/// `NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT`: a neighbour that is or was there.
const USABLE: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;

/// `NTF_USE`: the entry is used, as by a packet for it.
const USE: u8 = 0x01;

/// An address at an interface.
pub(in crate::netlink) type Place = (u32, IpAddr);

/// Decodes a neighbour, with its Ethernet address while that is usable. `None` for an entry of a bridge's forwarding
/// table, which comes in the same messages.
pub(super) fn neighbour(body: &[u8]) -> Option<(Place, Option<Mac>)> {
    let (family, interface, state) = (*body.first()?, u32_at(body, 4)?, u16_at(body, 8)?);
    let (mut at, mut mac) = (None, None);
    for (kind, value) in attributes(body.get(NDMSG..)?) {
        match kind {
            NDA_DST => at = ip(family, value),
            NDA_LLADDR => mac = <[u8; 6]>::try_from(value).ok().map(Mac),
            _ => {}
        }
    }
    let mac = mac.filter(|mac| state & USABLE != 0 && mac.is_host());
    Some(((interface, at?), mac))
}

/// Returns the body of a request for an entry without a link-layer address, which the kernel then looks for.
pub(super) fn wanted((interface, at): Place) -> Vec<u8> {
    let (family, octets) = octets(at);
    let mut body = vec![0; NDMSG];
    body[0] = family;
    body[4..8].copy_from_slice(&interface.to_ne_bytes());
    body[10] = USE;
    put(&mut body, NDA_DST, &octets);
    body
}

/// Decodes an address of this node. On a link with two ends `IFA_ADDRESS` is the other one, and `IFA_LOCAL` is ours.
pub(in crate::netlink) fn address(body: &[u8]) -> Option<Place> {
    let (family, interface) = (*body.first()?, u32_at(body, 4)?);
    let (mut local, mut address) = (None, None);
    for (kind, value) in attributes(body.get(IFADDRMSG..)?) {
        match kind {
            IFA_LOCAL => local = ip(family, value),
            IFA_ADDRESS => address = ip(family, value),
            _ => {}
        }
    }
    Some((interface, local.or(address)?))
}

fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        AF_INET6 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}
