//! `skb:kfree_skb` as a raw tracepoint: packets that the kernel freed, with its reason.
//!
//! Up to 5.16 its arguments are (skb, location); 5.17 adds the reason, 6.11 the receiving socket. Userspace finds the
//! reason's position by its type, through BTF.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use observer_abi::{
    ConnKey, ConnValue, DropKey, DropRecord, FlowKey, Kind, REASON_NONE, Tuple, lost, unattributed,
};

use super::packet::{ACK, ETH_P_IP, ETH_P_IPV6, IPPROTO_TCP, IPPROTO_UDP, SYN, mapped};
use super::tables::{self, CLOSED, CONNS, ENDED, EVENTS, count_drop, count_unattributed, lose};
use super::{emit, netns, settings, tracker};

/// Drops of one pair for one reason between two drains, from which on each attempt's own is not reported any more.
const STORM: u64 = 1_024;

#[raw_tracepoint(tracepoint = "kfree_skb")]
pub(super) fn flow_obs_drops(ctx: RawTracePointContext) -> i32 {
    let reason = reason(&ctx);
    if reason != REASON_NONE && !settings::of_interest(reason) {
        return 0;
    }
    let _ = freed(argument::<0>(&ctx), receiver(&ctx), reason);
    0
}

/// Reads argument `N`. It is assembly, because the compiler would merge several reads into one at a computed offset,
/// which the verifier refuses. A kernel with fewer arguments also refuses a program that can reach more.
#[inline(always)]
pub(super) fn argument<const N: usize>(ctx: &RawTracePointContext) -> u64 {
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

/// Returns the socket that received the packet; 0 without one.
#[inline(always)]
fn receiver(ctx: &RawTracePointContext) -> u64 {
    match settings::socket_arg() {
        2 => argument::<2>(ctx),
        3 => argument::<3>(ctx),
        4 => argument::<4>(ctx),
        _ => 0,
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

impl Freed {
    const EMPTY: Self =
        Self { src: [0; 16], dst: [0; 16], sport: 0, dport: 0, seq: 0, protocol: 0, flags: 0 };
}

#[inline(always)]
pub(super) fn read<T: Copy>(at: u64) -> Option<T> {
    // SAFETY: the helper copies, and fails on an address that is not readable.
    unsafe { bpf_probe_read_kernel(at as *const T) }.ok()
}

#[inline(always)]
fn freed(skb: u64, receiver: u64, reason: u32) -> Option<()> {
    let ethertype = u16::from_be(read::<u16>(skb + u64::from(settings::skb_protocol()))?);
    if ethertype != ETH_P_IP && ethertype != ETH_P_IPV6 {
        return None;
    }
    let head: u64 = read(skb + u64::from(settings::skb_head()))?;
    let network: u16 = read(skb + u64::from(settings::skb_network_header()))?;
    let mut packet = Freed::EMPTY;
    if !parse(head + u64::from(network), ethertype, &mut packet) {
        return None;
    }
    let is_syn = packet.protocol == IPPROTO_TCP && packet.flags & (SYN | ACK) == SYN;
    // Without a reason a freed data packet may have been delivered; only SYNs are reported.
    if reason == REASON_NONE && !is_syn {
        return None;
    }
    // The tracepoint is the machine's. Other nodes may share this kernel, each with an agent of its own.
    match netns::owner(skb, receiver) {
        netns::OURS => {}
        netns::OTHER => {
            count_unattributed(unattributed::OTHER);
            return None;
        }
        _ => {
            count_unattributed(unattributed::UNKNOWN);
            return None;
        }
    }
    let joined = if is_syn { join(&packet, reason) } else { Joined::Nothing };
    if joined == Joined::Foreign {
        return None;
    }
    let oriented = orient(&mut packet, is_syn);
    let count = count(&packet, reason);
    // The first drop of an attempt belongs to its record. A storm must leave room for the rest.
    if (joined == Joined::First && (1..STORM).contains(&count)) || count.is_power_of_two() {
        report(&packet, oriented, reason);
    }
    Some(())
}

// These functions are not inlined, so that their frames are not on the stack together. Kernels before 6.12 round each
// frame up when they add a call chain up to the limit of 512 bytes.

#[inline(never)]
fn parse(at: u64, ethertype: u16, out: &mut Freed) -> bool {
    headers(at, ethertype, out).is_some()
}

#[inline(always)]
fn headers(at: u64, ethertype: u16, out: &mut Freed) -> Option<()> {
    let payload = if ethertype == ETH_P_IP {
        let h: [u8; 20] = read(at)?;
        let fragment = u16::from_be_bytes([h[6], h[7]]) & 0x1fff;
        if h[0] >> 4 != 4 || h[0] & 0x0f < 5 || fragment != 0 {
            return None;
        }
        out.src = mapped([h[12], h[13], h[14], h[15]]);
        out.dst = mapped([h[16], h[17], h[18], h[19]]);
        out.protocol = h[9];
        at + u64::from(h[0] & 0x0f) * 4
    } else {
        let h: [u8; 8] = read(at)?;
        if h[0] >> 4 != 6 {
            return None;
        }
        out.src = read(at + 8)?;
        out.dst = read(at + 24)?;
        out.protocol = h[6];
        at + 40
    };
    let ports: [u8; 4] = read(payload)?;
    out.sport = u16::from_be_bytes([ports[0], ports[1]]);
    out.dport = u16::from_be_bytes([ports[2], ports[3]]);
    match out.protocol {
        IPPROTO_TCP => {
            out.seq = u32::from_be(read(payload + 4)?);
            out.flags = read(payload + 13)?;
        }
        IPPROTO_UDP => {}
        _ => return None,
    }
    Some(())
}

/// Swaps the addresses if needed, so that the source is the side that opened the flow. True if that is known, not
/// guessed.
#[inline(never)]
fn orient(p: &mut Freed, is_syn: bool) -> bool {
    if is_syn {
        return true;
    }
    let tcp = p.protocol == IPPROTO_TCP;
    if tcp && known(&FlowKey { src: p.src, dst: p.dst, sport: p.sport, dport: p.dport }) {
        return true;
    }
    let answer = tcp && p.flags & SYN != 0;
    let reverse = FlowKey { src: p.dst, dst: p.src, sport: p.dport, dport: p.sport };
    let oriented = answer || (tcp && known(&reverse));
    if oriented || tables::from_server(p.sport, p.dport) {
        p.src = reverse.src;
        p.dst = reverse.dst;
        p.sport = reverse.sport;
        p.dport = reverse.dport;
    }
    oriented
}

/// Counts the drop. Returns the count of its pair and reason since the last drain.
#[inline(never)]
fn count(p: &Freed, reason: u32) -> u64 {
    count_drop(&DropKey { src: p.src, dst: p.dst, reason, dport: p.dport, _pad: [0; 2] })
}

#[inline(never)]
fn report(p: &Freed, oriented: bool, reason: u32) {
    let Some(mut slot) = EVENTS.reserve::<DropRecord>(0) else { return lose(lost::RING) };
    slot.write(DropRecord {
        kind: Kind::Drop,
        protocol: p.protocol,
        tcp_flags: p.flags,
        oriented,
        _pad: [0; 4],
        time_ns: emit::now(),
        tuple: Tuple {
            src: p.src,
            dst: p.dst,
            backend: [0; 16],
            sport: p.sport,
            dport: p.dport,
            backend_port: 0,
            _pad: [0; 2],
        },
        reason,
        seq: p.seq,
    });
    slot.submit(0);
}

#[inline(always)]
fn known(key: &FlowKey) -> bool {
    tables::opened(key).is_some() || CLOSED.get_ptr(key).is_some()
}

/// What the drop of a SYN belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Joined {
    /// No attempt that is known.
    Nothing,
    /// An attempt, of which nothing was dropped before.
    First,
    /// An attempt that was dropped before.
    Again,
    /// An attempt between other hosts: a kernel that gives no reasons frees its SYN like any other.
    Foreign,
}

/// Notes the drop at its attempt, which a firewall's error may have ended before. The dropped SYN has the destination
/// after DNAT, which names the backend.
#[inline(never)]
fn join(p: &Freed, reason: u32) -> Joined {
    let key = ConnKey { src: p.src, isn: p.seq, sport: p.sport, _pad: [0; 2] };
    let Some(conn) = CONNS.get_ptr_mut(&key).or_else(|| ENDED.get_ptr_mut(&key)) else {
        return Joined::Nothing;
    };
    // SAFETY: map values stay valid while the program runs.
    let conn = unsafe { &mut *conn };
    if conn.flags & ConnValue::FOREIGN != 0 {
        if reason == REASON_NONE {
            return Joined::Foreign;
        }
        tracker::confirm(&key, conn);
    }
    if conn.dst != p.dst || conn.dport != p.dport {
        conn.backend = p.dst;
        conn.backend_port = p.dport;
    }
    let joined = if conn.drop_reason == 0 { Joined::First } else { Joined::Again };
    conn.drop_reason = reason.wrapping_add(1);
    joined
}
