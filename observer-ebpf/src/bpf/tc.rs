//! TC entry points. A data packet passes after one flag test, with no map access. The headers of the rest are read: it
//! goes to the tracker, or to what handles resets, ICMP errors and announcements.
//!
//! Every path returns `TC_ACT_UNSPEC`: any other verdict would end the chain for the programs behind us.

use aya_ebpf::bindings::{__sk_buff, TC_ACT_UNSPEC};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use observer_abi::hook;

use super::packet::{
    self, ACK, ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, FIN, IPPROTO_ICMP,
    IPPROTO_ICMPV6, IPPROTO_TCP, Ip, RST, SYN, Tcp,
};
use super::segment::{Segment, Sighting};
use super::{announce, handshakes, icmp, listeners, reset, segment, tracker};

const ICMP_DEST_UNREACH: u8 = 3;
const ICMPV6_DEST_UNREACH: u8 = 1;

macro_rules! entry_points {
    ($($name:ident: $hook:expr, $ethernet:literal;)*) => {$(
        #[classifier]
        pub(super) fn $name(ctx: TcContext) -> i32 {
            if wanted::<$ethernet, { announces($hook, $ethernet) }>(&ctx) {
                follow(&ctx, $hook, $ethernet);
            }
            TC_ACT_UNSPEC
        }
    )*};
}

// By these names the next start recognises filters that a killed agent left on a clsact qdisc.
entry_points! {
    flow_obs_p_out: hook::POD_OUT, true;
    flow_obs_p_in: hook::POD_IN, true;
    flow_obs_u_in: hook::UPLINK_IN, true;
    flow_obs_u_out: hook::UPLINK_OUT, true;
    flow_obs_u3_in: hook::UPLINK_IN, false;
    flow_obs_u3_out: hook::UPLINK_OUT, false;
}

/// Is true when a hook's frames can announce an address: on an Ethernet uplink, in either direction.
const fn announces(hook: u8, ethernet: bool) -> bool {
    ethernet && matches!(hook, hook::UPLINK_IN | hook::UPLINK_OUT)
}

/// Does nothing. The benchmark compares the others with it.
#[classifier]
pub(super) fn flow_obs_empty(_: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// Tests the flags. True for packets that `follow` may have to handle, and for those that this test can't judge because
/// their headers are odd or not in the linear part of the skb.
#[inline(always)]
fn wanted<const ETHERNET: bool, const ANNOUNCES: bool>(ctx: &TcContext) -> bool {
    let (start, end) = (ctx.data(), ctx.data_end());
    let offset = if ETHERNET { ETH_HLEN as usize } else { 0 };
    // Shorter than an Ethernet and an IPv4 header: either no such packet, or not linear.
    if start + offset + 20 > end {
        return true;
    }
    // SAFETY: the bounds were checked against the packet's end just before each read below.
    let byte = |at: usize| unsafe { *((start + at) as *const u8) };
    let protocol = if ETHERNET {
        u16::from_be_bytes([byte(12), byte(13)])
    } else if byte(0) >> 4 == 6 {
        ETH_P_IPV6
    } else {
        ETH_P_IP
    };
    let (next, payload) = match protocol {
        ETH_P_IP => (byte(offset + 9), offset + usize::from(byte(offset) & 0x0f) * 4),
        ETH_P_IPV6 => (byte(offset + 6), offset + 40),
        ETH_P_8021Q | ETH_P_8021AD => return true,
        ETH_P_ARP => return ANNOUNCES,
        _ => return false,
    };
    let header = opaque(start + payload);
    if header + 14 > end {
        return matches!(next, IPPROTO_TCP | IPPROTO_ICMP | IPPROTO_ICMPV6) || is_extension(protocol, next);
    }
    // SAFETY: the bounds were checked just above; every offset used is below 14.
    let transport = |at: usize| unsafe { *((header + at) as *const u8) };
    match next {
        IPPROTO_TCP => transport(13) & (SYN | RST | FIN) != 0,
        IPPROTO_ICMP => transport(0) == ICMP_DEST_UNREACH,
        IPPROTO_ICMPV6 => {
            transport(0) == ICMPV6_DEST_UNREACH || (ANNOUNCES && transport(0) == announce::ADVERTISEMENT)
        }
        other => is_extension(protocol, other),
    }
}

/// Hides how an address was computed, so that the compiler checks and reads through the same register. The verifier
/// does not see that two sums of the same parts are equal.
#[inline(always)]
fn opaque(mut address: usize) -> usize {
    // SAFETY: a move of a register to itself.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) address, options(nomem, nostack)) };
    address
}

#[inline(always)]
fn is_extension(protocol: u16, next: u8) -> bool {
    protocol == ETH_P_IPV6 && matches!(next, 0 | 43 | 44 | 51 | 60 | 135)
}

#[inline(never)]
fn follow(ctx: &TcContext, hook: u8, ethernet: bool) -> i32 {
    let mut ip = Ip::EMPTY;
    let mut tcp = Tcp::EMPTY;
    let found = parse(ctx, ethernet, &mut ip, &mut tcp);
    let skb = ctx.skb.skb;
    match found {
        Found::Tcp => segment(
            skb,
            &Segment {
                hook,
                // SAFETY: the context is valid for the program's run.
                place: observer_abi::place(unsafe { (*skb).ifindex }, hook),
                sighting: Sighting::of(skb, hook),
                // SAFETY: the context is valid for the program's run.
                ingress: unsafe { (*skb).ingress_ifindex },
                foreign: segment::is_foreign(skb, hook, ethernet),
                ip: &ip,
                tcp: &tcp,
            },
        ),
        Found::Icmp if announces(hook, ethernet) && announce::advertisement(skb, ip.header, hook) => {}
        Found::Icmp if segment::is_foreign(skb, hook, ethernet) => {}
        Found::Icmp => icmp::error(skb, &ip),
        Found::Arp if announces(hook, ethernet) => announce::arp(skb, ip.header, hook),
        Found::Arp | Found::Nothing => {}
    }
    0
}

/// The content of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Found {
    Nothing,
    Tcp,
    /// ICMP or ICMPv6.
    Icmp,
    /// Only the offset of the IP header is set.
    Arp,
}

/// Reads the headers. It is not inlined, so that its copies of headers are off the stack when the tracker runs.
#[inline(never)]
fn parse(ctx: &TcContext, ethernet: bool, ip: &mut Ip, tcp: &mut Tcp) -> Found {
    let skb = ctx.skb.skb;
    let Some((protocol, offset)) = packet::network(skb, ethernet) else { return Found::Nothing };
    if protocol == ETH_P_ARP {
        ip.header = offset;
        return Found::Arp;
    }
    match packet::ip(skb, protocol, offset) {
        Some(parsed) => *ip = parsed,
        None => {
            if protocol == ETH_P_IP || protocol == ETH_P_IPV6 {
                aya_log_ebpf::debug!(ctx, "no transport header: ethertype {:x}", protocol);
            }
            return Found::Nothing;
        }
    }
    match ip.protocol {
        IPPROTO_TCP => match packet::tcp(skb, ip.payload) {
            Some(parsed) => *tcp = parsed,
            None => return Found::Nothing,
        },
        IPPROTO_ICMP | IPPROTO_ICMPV6 => return Found::Icmp,
        _ => return Found::Nothing,
    }
    Found::Tcp
}

#[inline(always)]
fn segment(skb: *mut __sk_buff, seen: &Segment<'_>) {
    let flags = seen.tcp.flags;
    if flags & RST != 0 {
        reset::rst(seen);
    } else if flags & (SYN | ACK) == SYN {
        listeners::syn(skb, seen);
        tracker::syn(seen);
        handshakes::syn(seen);
    } else if flags & SYN != 0 {
        let answered = tracker::syn_ack(seen);
        handshakes::syn_ack(seen, answered);
    } else if flags & FIN != 0 {
        tracker::fin(seen);
    }
}
