//! Encodes and decodes messages about tracked connections.

use std::net::{IpAddr, SocketAddr};

use crate::netlink::conntrack::conn::{Conn, State};
use crate::netlink::wire::{attribute, attributes, nest, put};

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW`.
pub(super) const ENTRY: u16 = 0x100;
/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET`.
pub(super) const GET: u16 = 0x101;
/// An `nfgenmsg` without a family: it selects all of them.
pub(super) const REQUEST: [u8; NFGENMSG] = [0; NFGENMSG];
const NFGENMSG: usize = 4;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_PROTOINFO: u16 = 4;
const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_TCP_STATE: u16 = 1;
const CTA_PROTOINFO_TCP_FLAGS: [u16; 2] = [4, 5];
const CTA_ZONE: u16 = 18;
const CTA_TUPLE_ZONE: u16 = 3;
/// `IP_CT_TCP_FLAG_BE_LIBERAL`: set in both directions of a connection that was met in the middle (`tcp_new`),
/// <https://github.com/torvalds/linux/blob/v6.12/net/netfilter/nf_conntrack_proto_tcp.c>.
const BE_LIBERAL: u8 = 8;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const IPPROTO_TCP: u8 = 6;

/// Returns the body of a request for the entry with this tuple. `ctnetlink_get_conntrack` finds it in either direction:
/// <https://github.com/torvalds/linux/blob/v6.12/net/netfilter/nf_conntrack_netlink.c>.
pub(super) fn question(src: SocketAddr, dst: SocketAddr) -> Vec<u8> {
    let family = if src.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut body = vec![u8::try_from(family).unwrap_or_default(), 0, 0, 0];
    nest(&mut body, CTA_TUPLE_ORIG, |tuple| {
        nest(tuple, CTA_TUPLE_IP, |ip| {
            put_address(ip, src.ip(), [CTA_IP_V4_SRC, CTA_IP_V6_SRC]);
            put_address(ip, dst.ip(), [CTA_IP_V4_DST, CTA_IP_V6_DST]);
        });
        nest(tuple, CTA_TUPLE_PROTO, |protocol| {
            put(protocol, CTA_PROTO_NUM, &[IPPROTO_TCP]);
            put(protocol, CTA_PROTO_SRC_PORT, &src.port().to_be_bytes());
            put(protocol, CTA_PROTO_DST_PORT, &dst.port().to_be_bytes());
        });
    });
    body
}

fn put_address(out: &mut Vec<u8>, ip: IpAddr, [v4, v6]: [u16; 2]) {
    match ip {
        IpAddr::V4(ip) => put(out, v4, &ip.octets()),
        IpAddr::V6(ip) => put(out, v6, &ip.octets()),
    }
}

/// Decodes the body of an entry; `None` for another protocol than TCP, and for one without both tuples.
pub(super) fn decode(body: &[u8]) -> Option<Conn> {
    let entry = body.get(NFGENMSG..)?;
    let orig = Tuple::decode(attribute(entry, CTA_TUPLE_ORIG)?)?;
    let reply = Tuple::decode(attribute(entry, CTA_TUPLE_REPLY)?)?;
    let zoned = orig.zoned || reply.zoned || attribute(entry, CTA_ZONE).is_some();
    Some(Conn {
        orig_src: orig.src,
        orig_dst: orig.dst,
        orig_sport: orig.sport,
        orig_dport: orig.dport,
        reply_src: reply.src,
        reply_dst: reply.dst,
        reply_sport: reply.sport,
        reply_dport: reply.dport,
        state: state(entry),
        from_syn: !zoned && has_syn(entry),
    })
}

fn tcp(entry: &[u8]) -> Option<&[u8]> {
    attribute(entry, CTA_PROTOINFO).and_then(|info| attribute(info, CTA_PROTOINFO_TCP))
}

/// Is true for an entry that began with a SYN. Where the kernel doesn't tell, nothing is claimed.
fn has_syn(entry: &[u8]) -> bool {
    let strict = |flags: &[u8]| flags.first().is_some_and(|flags| flags & BE_LIBERAL == 0);
    let of = |kind| tcp(entry).and_then(|tcp| attribute(tcp, kind));
    CTA_PROTOINFO_TCP_FLAGS.into_iter().all(|kind| of(kind).is_some_and(strict))
}

/// Returns the state of an entry. Without one it is closed: the kernel leaves the state out only while it destroys an
/// entry.
fn state(entry: &[u8]) -> State {
    match tcp(entry).and_then(|tcp| attribute(tcp, CTA_PROTOINFO_TCP_STATE)).and_then(|value| value.first()) {
        // SYN_SENT, and SYN_SENT2 of a simultaneous open.
        Some(1 | 9) => State::Opening,
        // SYN_RECV.
        Some(2) => State::Answered,
        Some(3) => State::Established,
        // FIN_WAIT, CLOSE_WAIT, LAST_ACK.
        Some(4..=6) => State::Closing,
        _ => State::Closed,
    }
}

struct Tuple {
    src: IpAddr,
    dst: IpAddr,
    sport: u16,
    dport: u16,
    zoned: bool,
}

impl Tuple {
    fn decode(tuple: &[u8]) -> Option<Self> {
        let protocol = attribute(tuple, CTA_TUPLE_PROTO)?;
        if attribute(protocol, CTA_PROTO_NUM)? != [IPPROTO_TCP] {
            return None;
        }
        let (src, dst) = addresses(attribute(tuple, CTA_TUPLE_IP)?)?;
        let port = |kind| Some(u16::from_be_bytes(attribute(protocol, kind)?.try_into().ok()?));
        let (sport, dport) = (port(CTA_PROTO_SRC_PORT)?, port(CTA_PROTO_DST_PORT)?);
        Some(Self { src, dst, sport, dport, zoned: attribute(tuple, CTA_TUPLE_ZONE).is_some() })
    }
}

fn addresses(ip: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let (mut src, mut dst) = (None, None);
    for (kind, value) in attributes(ip) {
        let v4 = || <[u8; 4]>::try_from(value).ok().map(IpAddr::from);
        let v6 = || <[u8; 16]>::try_from(value).ok().map(IpAddr::from);
        match kind {
            CTA_IP_V4_SRC => src = v4(),
            CTA_IP_V4_DST => dst = v4(),
            CTA_IP_V6_SRC => src = v6(),
            CTA_IP_V6_DST => dst = v6(),
            _ => {}
        }
    }
    Some((src?, dst?))
}

#[cfg(test)]
mod tests;
