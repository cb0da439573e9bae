//! Routes: the interfaces with a default route in any table, and the prefixes of the main table that lead to local pods.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use nix::sys::socket::SockProtocol;

use crate::netlink::error::NetlinkError;
use crate::netlink::rtnetlink::{AF_INET, AF_INET6, octets};
use crate::netlink::socket::Socket;
use crate::netlink::wire::{attributes, put, u16_at, u32_at};

/// `RTM_NEWROUTE`.
pub(super) const NEWROUTE: u16 = 24;
/// `RTM_DELROUTE`.
pub(super) const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;
const TABLE_MAIN: u32 = 254;
/// The kernel's own table of local addresses.
const TABLE_LOCAL: u32 = 255;
const RTN_UNICAST: u8 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
/// A gateway of another address family.
const RTA_VIA: u16 = 18;
/// `sizeof(struct rtmsg)`.
const RTMSG: usize = 12;

/// Returns the prefixes that the main table routes to the interfaces `ifindexes` (pods' veths and their bridges).
///
/// Default routes and IPv6 link-local prefixes are left out: neither shows that a pod is behind the interface.
///
/// # Errors
/// Fails when netlink does not answer.
pub async fn pod_facing_prefixes(ifindexes: &BTreeSet<u32>) -> Result<BTreeSet<IpNet>, NetlinkError> {
    let mut socket = Socket::open(SockProtocol::NetlinkRoute)?;
    Ok(prefixes_to(&dump(&mut socket).await?, ifindexes))
}

/// Returns the interface by which this machine reaches `ip` without a gateway; `None` for its own addresses, and where it
/// sends through a gateway or not at all. It asks for the route that a packet of this machine would take.
pub(super) fn direct(socket: &mut Socket, ip: IpAddr) -> Option<u32> {
    let (family, octets) = octets(ip);
    let mut body = vec![0; RTMSG];
    (body[0], body[1]) = (family, if ip.is_ipv4() { 32 } else { 128 });
    put(&mut body, RTA_DST, &octets);
    // An error is an answer as well: there is no route.
    socket.ask(GETROUTE, &body, without_gateway).ok().flatten()
}

/// Decodes the answer to [`direct`].
fn without_gateway(body: &[u8]) -> Option<u32> {
    let &[_, _, _, _, _, _, _, kind] = body.first_chunk()?;
    let mut interface = None;
    for (attribute, value) in attributes(body.get(RTMSG..)?) {
        match attribute {
            RTA_OIF => interface = u32_at(value, 0),
            RTA_GATEWAY | RTA_VIA | RTA_MULTIPATH => return None,
            _ => {}
        }
    }
    interface.filter(|_| kind == RTN_UNICAST)
}

/// Describes a unicast route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) prefix: IpNet,
    /// The interfaces it leads to; several for a multipath route.
    pub(super) ifindexes: Vec<u32>,
    /// Is true for a route of the main table, false for one of a policy's or a VRF's.
    pub(super) main: bool,
}

impl Route {
    /// Decodes the body of an `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for local addresses and other kinds.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let &[family, len, _, _, table, _, _, kind] = body.first_chunk()?;
        let mut table = u32::from(table);
        let mut address = match family {
            AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => return None,
        };
        let mut ifindexes = Vec::new();
        for (attribute, value) in attributes(body.get(RTMSG..)?) {
            match attribute {
                RTA_TABLE => table = u32_at(value, 0)?,
                RTA_DST => address = parse_address(value)?,
                RTA_OIF => ifindexes.extend(u32_at(value, 0)),
                RTA_MULTIPATH => ifindexes.extend(next_hops(value)),
                _ => {}
            }
        }
        let prefix = IpNet::new(address, len).ok()?;
        let main = table == TABLE_MAIN;
        (table != TABLE_LOCAL && kind == RTN_UNICAST).then_some(Self { prefix, ifindexes, main })
    }

    pub(super) fn is_default(&self) -> bool {
        self.prefix.prefix_len() == 0
    }
}

/// Returns every unicast route, of both families.
pub(super) async fn dump(socket: &mut Socket) -> Result<Vec<Route>, NetlinkError> {
    let mut routes = Vec::new();
    for family in [AF_INET, AF_INET6] {
        let mut body = [0; RTMSG];
        body[0] = family;
        let decode = |kind, body: &[u8]| (kind == NEWROUTE).then(|| Route::decode(body)).flatten();
        routes.extend(socket.dump("route", GETROUTE, &body, decode).await?);
    }
    Ok(routes)
}

/// Returns the interfaces that default routes leave by: those of the main table, and those of all others.
pub(super) fn default_route_links(routes: &[Route]) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let links = |main| {
        let defaults = routes.iter().filter(move |route| route.is_default() && route.main == main);
        defaults.flat_map(|route| route.ifindexes.iter().copied()).collect()
    };
    (links(true), links(false))
}

fn prefixes_to(routes: &[Route], ifindexes: &BTreeSet<u32>) -> BTreeSet<IpNet> {
    routes
        .iter()
        .filter(|route| route.main && !route.is_default() && !is_link_local(route.prefix.addr()))
        .filter(|route| route.ifindexes.iter().any(|ifindex| ifindexes.contains(ifindex)))
        .map(|route| route.prefix)
        .collect()
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local() || address.is_multicast())
}

fn parse_address(value: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
}

/// Returns the interfaces of `struct rtnexthop`s: length u16, flags u8, hops u8, ifindex i32, attributes.
fn next_hops(value: &[u8]) -> Vec<u32> {
    let mut rest = value;
    let mut out = Vec::new();
    while let (Some(len), Some(ifindex)) = (u16_at(rest, 0), u32_at(rest, 4)) {
        if len < 8 {
            break;
        }
        out.push(ifindex);
        rest = rest.get(usize::from(len).next_multiple_of(4)..).unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests;
