//! ICMP and ICMPv6 destination-unreachable errors that quote a SYN: the attempt was rejected.

use aya_ebpf::bindings::__sk_buff;
use observer_abi::{ConnKey, Outcome};

use super::packet::{ETH_P_IP, ETH_P_IPV6, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, Ip, ip, load};
use super::tables::CONNS;
use super::tracker;

const HEADER_LEN: u32 = 8;
const DEST_UNREACH: u8 = 3;
/// Path MTU discovery, not a refusal.
const FRAG_NEEDED: u8 = 4;
const V6_DEST_UNREACH: u8 = 1;

/// Ends the attempt whose SYN the error quotes.
#[inline(never)]
pub(super) fn error(skb: *mut __sk_buff, outer: &Ip) {
    let Some([kind, code]) = load::<2>(skb, outer.payload) else { return };
    let quoted = match (outer.protocol, kind) {
        (IPPROTO_ICMP, DEST_UNREACH) if code != FRAG_NEEDED => ETH_P_IP,
        (IPPROTO_ICMPV6, V6_DEST_UNREACH) => ETH_P_IPV6,
        _ => return,
    };
    let Some(inner) = ip(skb, quoted, outer.payload + HEADER_LEN) else { return };
    if inner.protocol != IPPROTO_TCP {
        return;
    }
    // The least that RFC 792 lets a host quote: ports and sequence number.
    let Some(h) = load::<8>(skb, inner.payload) else { return };
    let key = ConnKey {
        src: inner.src,
        isn: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        sport: u16::from_be_bytes([h[0], h[1]]),
        _pad: [0; 2],
    };
    let Some(conn) = CONNS.get_ptr_mut(&key) else { return };
    // SAFETY: map values stay valid while the program runs.
    let conn = unsafe { &mut *conn };
    tracker::confirm(&key, conn);
    tracker::finish(&key, conn, Outcome::Rejected, u16::from_be_bytes([kind, code]), 0);
}
