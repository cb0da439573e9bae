//! Routes of the main table: who has the default route, and which prefixes lead to local pods.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::sys::socket::SockProtocol;

use crate::netlink::NetlinkError;
use crate::netlink::socket::Socket;
use crate::netlink::wire::{attributes, u16_at, u32_at};

/// `RTM_NEWROUTE`.
pub(super) const NEWROUTE: u16 = 24;
/// `RTM_DELROUTE`.
pub(super) const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const TABLE_MAIN: u32 = 254;
const RTN_UNICAST: u8 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
/// `sizeof(struct rtmsg)`.
const RTMSG: usize = 12;

/// Addresses that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// The first address.
    pub address: IpAddr,
    /// How many bits are shared.
    pub len: u8,
}

impl Prefix {
    /// Whether `address` is inside; never for the other family.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(prefix), IpAddr::V4(address)) => {
                let shift = 32u32.saturating_sub(u32::from(self.len));
                (prefix.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(prefix), IpAddr::V6(address)) => {
                let shift = 128u32.saturating_sub(u32::from(self.len));
                (prefix.to_bits() ^ address.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The prefixes that the main table routes to the interfaces `ifindexes` (pods' veths and their bridges).
///
/// Default routes and IPv6 link-local prefixes are left out: neither says that a pod is behind the interface.
///
/// # Errors
/// When netlink does not answer.
pub async fn pod_facing_prefixes(ifindexes: &BTreeSet<u32>) -> Result<BTreeSet<Prefix>, NetlinkError> {
    let mut socket = Socket::open(SockProtocol::NetlinkRoute)?;
    Ok(prefixes_to(&dump(&mut socket).await?, ifindexes))
}

/// A unicast route of the main table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) prefix: Prefix,
    /// Where it leads; several for a multipath route.
    pub(super) ifindexes: Vec<u32>,
}

impl Route {
    /// Decodes the body of an `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for other tables and kinds.
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
        (table == TABLE_MAIN && kind == RTN_UNICAST)
            .then_some(Self { prefix: Prefix { address, len }, ifindexes })
    }

    pub(super) fn is_default(&self) -> bool {
        self.prefix.len == 0
    }
}

/// Every unicast route of the main table, of both families.
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

/// The interfaces that default routes leave by.
pub(super) fn default_route_links(routes: &[Route]) -> BTreeSet<u32> {
    routes
        .iter()
        .filter(|route| route.is_default())
        .flat_map(|route| route.ifindexes.iter().copied())
        .collect()
}

fn prefixes_to(routes: &[Route], ifindexes: &BTreeSet<u32>) -> BTreeSet<Prefix> {
    routes
        .iter()
        .filter(|route| !route.is_default() && !is_link_local(route.prefix.address))
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

/// The interfaces of `struct rtnexthop`s: length u16, flags u8, hops u8, ifindex i32, attributes.
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::netlink::testing::Namespace;

    #[test]
    fn a_prefix_contains_its_own() {
        let check = |prefix: &str, len, address: &str| {
            Prefix { address: prefix.parse().unwrap(), len }.contains(address.parse().unwrap())
        };
        assert!(check("10.42.0.0", 24, "10.42.0.255"));
        assert!(!check("10.42.0.0", 24, "10.42.1.0"));
        assert!(check("10.42.0.7", 32, "10.42.0.7"));
        assert!(!check("10.42.0.7", 32, "10.42.0.6"));
        assert!(check("0.0.0.0", 0, "192.0.2.1"));
        assert!(!check("0.0.0.0", 0, "::1"));
        assert!(check("fd00:42::", 64, "fd00:42::1:2:3:4"));
        assert!(!check("fd00:42::", 64, "fd00:43::1"));
        assert!(check("::", 0, "fd00::1"));
    }

    #[test]
    fn next_hops_stop_at_the_damage() {
        let hop = |len: u16, ifindex: u32| {
            let mut out = len.to_ne_bytes().to_vec();
            out.extend([0, 0]);
            out.extend(ifindex.to_ne_bytes());
            out
        };
        assert_eq!(next_hops(&[hop(8, 3), hop(8, 4)].concat()), [3, 4]);
        assert_eq!(next_hops(&[hop(8, 3), hop(0, 4)].concat()), [3]);
        assert_eq!(next_hops(&[hop(8, 3), vec![8, 0]].concat()), [3]);
    }

    #[test]
    fn prefixes_behind_pods_are_read_from_the_kernel() {
        let ns = Namespace::new();
        let found = ns.block_on(async {
            ns.ip("link add cni0 type bridge");
            ns.ip("link add other type bridge");
            ns.ip("link set cni0 up");
            ns.ip("link set other up");
            ns.ip("addr add 10.42.0.1/24 dev cni0");
            ns.ip("-6 addr add fd00:42::1/64 dev cni0 nodad");
            ns.ip("addr add 192.168.7.1/24 dev other");
            ns.ip("route add 10.99.0.0/16 dev cni0 table 7");
            ns.ip("route add default dev cni0");
            let cni0 = nix::net::if_::if_nametoindex("cni0").unwrap();
            pod_facing_prefixes(&[cni0].into()).await.unwrap()
        });
        let expected = [
            Prefix { address: "10.42.0.0".parse().unwrap(), len: 24 },
            Prefix { address: "fd00:42::".parse().unwrap(), len: 64 },
        ];
        assert_eq!(found, expected.into());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(route) = Route::decode(&bytes) {
                prop_assert!(route.ifindexes.len() <= bytes.len());
                prop_assert!(!route.prefix.contains(IpAddr::V4(Ipv4Addr::LOCALHOST)) || route.prefix.address.is_ipv4());
            }
        }
    }
}
