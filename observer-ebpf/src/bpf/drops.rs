//! `skb:kfree_skb` as a raw tracepoint: packets that the kernel gave up, with its reason.
//!
//! Up to 5.16 its arguments are (skb, location); 5.17 adds the reason, 6.11 the receiving socket. Userspace finds the
//! reason's position by its type, through BTF.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use observer_abi::{ConnKey, DropKey, DropRecord, FlowKey, Header, REASON_NONE, Tuple};

use super::packet::{ACK, ETH_P_IP, ETH_P_IPV6, IPPROTO_TCP, IPPROTO_UDP, SYN, mapped};
use super::tables::{CLOSED, CONNS, FLOWS, count_drop};
use super::{emit, settings};

#[raw_tracepoint(tracepoint = "kfree_skb")]
pub(super) fn flow_obs_drops(ctx: RawTracePointContext) -> i32 {
    let reason = reason(&ctx);
    if reason != REASON_NONE && !settings::of_interest(reason) {
        return 0;
    }
    let _ = freed(argument::<0>(&ctx), reason);
    0
}

/// Reads argument `N`. Written out, because the compiler would merge several reads into one at a computed offset,
/// which the verifier refuses; and because a kernel with fewer arguments refuses a program that can reach more.
#[inline(always)]
fn argument<const N: usize>(ctx: &RawTracePointContext) -> u64 {
    let value: u64;
    // SAFETY: the context of a raw tracepoint is an array of words, one for each argument.
    unsafe {
        core::arch::asm!("{0} = *(u64 *)({1} + {2})", out(reg) value, in(reg) ctx.as_ptr(), const N * 8, options(readonly, nostack));
    }
    value
}

#[inline(always)]
fn reason(ctx: &RawTracePointContext) -> u32 {
    match settings::reason_arg() {
        2 => argument::<2>(ctx) as u32,
        3 => argument::<3>(ctx) as u32,
        4 => argument::<4>(ctx) as u32,
        _ => REASON_NONE,
    }
}

#[derive(Clone, Copy)]
struct Freed {
    src: [u8; 16],
    dst: [u8; 16],
    sport: u16,
    dport: u16,
    seq: u32,
    protocol: u8,
    flags: u8,
}

#[inline(always)]
fn read<T: Copy>(at: u64) -> Option<T> {
    // SAFETY: the helper copies, and fails on an address that is not readable.
    unsafe { bpf_probe_read_kernel(at as *const T) }.ok()
}

#[inline(always)]
fn freed(skb: u64, reason: u32) -> Option<()> {
    let ethertype = u16::from_be(read::<u16>(skb + u64::from(settings::skb_protocol()))?);
    if ethertype != ETH_P_IP && ethertype != ETH_P_IPV6 {
        return None;
    }
    let head: u64 = read(skb + u64::from(settings::skb_head()))?;
    let network: u16 = read(skb + u64::from(settings::skb_network_header()))?;
    let packet = parse(head + u64::from(network), ethertype)?;
    let is_syn = packet.protocol == IPPROTO_TCP && packet.flags & (SYN | ACK) == SYN;
    // Without a reason a freed data packet may have been delivered; only SYNs are told.
    if reason == REASON_NONE && !is_syn {
        return None;
    }
    report(&packet, is_syn, reason);
    Some(())
}

#[inline(always)]
fn parse(at: u64, ethertype: u16) -> Option<Freed> {
    let (src, dst, protocol, payload) = if ethertype == ETH_P_IP {
        let h: [u8; 20] = read(at)?;
        let fragment = u16::from_be_bytes([h[6], h[7]]) & 0x1fff;
        if h[0] >> 4 != 4 || h[0] & 0x0f < 5 || fragment != 0 {
            return None;
        }
        let src = mapped([h[12], h[13], h[14], h[15]]);
        (src, mapped([h[16], h[17], h[18], h[19]]), h[9], at + u64::from(h[0] & 0x0f) * 4)
    } else {
        let h: [u8; 8] = read(at)?;
        if h[0] >> 4 != 6 {
            return None;
        }
        (read(at + 8)?, read(at + 24)?, h[6], at + 40)
    };
    let ports: [u8; 4] = read(payload)?;
    let mut freed = Freed {
        src,
        dst,
        sport: u16::from_be_bytes([ports[0], ports[1]]),
        dport: u16::from_be_bytes([ports[2], ports[3]]),
        seq: 0,
        protocol,
        flags: 0,
    };
    match protocol {
        IPPROTO_TCP => {
            freed.seq = u32::from_be(read(payload + 4)?);
            freed.flags = read(payload + 13)?;
        }
        IPPROTO_UDP => {}
        _ => return None,
    }
    Some(freed)
}

#[inline(never)]
fn report(p: &Freed, is_syn: bool, reason: u32) {
    let mut key = FlowKey { src: p.src, dst: p.dst, sport: p.sport, dport: p.dport };
    let mut oriented = is_syn;
    if is_syn {
        join(p, reason);
    } else if p.protocol == IPPROTO_TCP {
        let reverse = FlowKey { src: p.dst, dst: p.src, sport: p.dport, dport: p.sport };
        if known(&key) {
            oriented = true;
        } else if known(&reverse) || p.flags & SYN != 0 {
            oriented = true;
            key = reverse;
        } else if p.sport < p.dport {
            key = reverse;
        }
    } else if p.sport < p.dport {
        key = FlowKey { src: p.dst, dst: p.src, sport: p.dport, dport: p.sport };
    }
    count_drop(&DropKey { src: key.src, dst: key.dst, reason, dport: key.dport, _pad: [0; 2] });
    let tuple = Tuple {
        src: key.src,
        dst: key.dst,
        backend: [0; 16],
        sport: key.sport,
        dport: key.dport,
        backend_port: 0,
        _pad: [0; 2],
    };
    let (kind, vantage) = (0, 0);
    let oriented = u8::from(oriented);
    let header = Header { kind, vantage, a: p.protocol, b: p.flags, c: oriented, _pad: [0; 3], time_ns: 0 };
    emit::drop(&DropRecord { header, tuple, reason, seq: p.seq });
}

#[inline(always)]
fn known(key: &FlowKey) -> bool {
    FLOWS.get_ptr(key).is_some() || CLOSED.get_ptr(key).is_some()
}

/// The dropped SYN carries the destination after DNAT: it names the backend of its attempt.
#[inline(always)]
fn join(p: &Freed, reason: u32) {
    let key = ConnKey { src: p.src, isn: p.seq, sport: p.sport, _pad: [0; 2] };
    let Some(conn) = CONNS.get_ptr_mut(&key) else { return };
    // SAFETY: map values stay valid while the program runs.
    let conn = unsafe { &mut *conn };
    if conn.dst != p.dst || conn.dport != p.dport {
        conn.backend = p.dst;
        conn.backend_port = p.dport;
    }
    conn.drop_reason = reason.wrapping_add(1);
}
