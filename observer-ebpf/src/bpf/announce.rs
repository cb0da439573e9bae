//! Claims of addresses: ARP and IPv6 neighbour advertisements, on Ethernet uplinks.
//!
//! The claimant is the address that hosts take into their neighbour caches: ARP's sender hardware address and the
//! advertisement's target link-layer option. The source in the Ethernet header may differ (a bond, a bridge that
//! rewrites). It counts only for an advertisement without the option.
//!
//! A record is made when the claimant of a known VIP changes, and once a second while it stays. Claimants that take
//! turns are reported as fast as [`EACH`] and [`ALL`] allow. Past that the map still has the newest one, and userspace
//! reads it.

use aya_ebpf::bindings::__sk_buff;
use observer_abi::{Announced, VipValue, claims, hook};

use super::emit;
use super::packet::{IPPROTO_ICMPV6, load, mapped};
use super::tables::{DUE, VIPS, count_claim};

/// ICMPv6 type of a neighbour advertisement.
pub(super) const ADVERTISEMENT: u8 = 136;

/// Offset of the source address in an Ethernet header.
const ETHERNET_SOURCE: u32 = 6;

const ARP_LEN: usize = 28;
/// Ethernet, IPv4, and the lengths of their addresses.
const ARP_START: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const ARP_REQUEST: u8 = 1;
const ARP_REPLY: u8 = 2;

const IPV6_LEN: u32 = 40;
/// Routers don't forward a neighbour advertisement: one with fewer hops left comes from another link (RFC 4861, 7.1.2).
const ON_LINK_HOPS: u8 = 255;
const ADVERTISEMENT_LEN: u32 = 24;
const TARGET_LINK_LAYER: u8 = 2;
/// Options looked at; advertisements have one or two.
const MAX_OPTIONS: usize = 8;

/// Interval between records of a claimant that stays.
const STILL_NS: u64 = 1_000_000_000;

/// Limits the rate of records.
struct Rate {
    every_ns: u64,
    /// Records that may come at once.
    burst: u64,
}

/// The rate for one VIP.
const EACH: Rate = Rate { every_ns: 50_000_000, burst: 20 };
/// The rate for all VIPs together: a node that fails may hand over hundreds at once.
const ALL: Rate = Rate { every_ns: 1_000_000, burst: 1_000 };

impl Rate {
    /// Returns when the next record would be due after one now, or `None` if it has to wait (generic cell rate
    /// algorithm).
    #[inline(always)]
    fn after(&self, due: u64, now: u64) -> Option<u64> {
        let due = if due > now { due } else { now };
        (due - now < self.every_ns * self.burst).then_some(due + self.every_ns)
    }
}

/// Handles the ARP packet at this offset. Every request and reply claims its sender's address.
#[inline(never)]
pub(super) fn arp(skb: *mut __sk_buff, at: u32, hook: u8) {
    let Some(p) = load::<ARP_LEN>(skb, at) else { return count_claim(claims::IGNORED) };
    let start = [p[0], p[1], p[2], p[3], p[4], p[5]];
    let mac = [p[8], p[9], p[10], p[11], p[12], p[13]];
    let (sender, target) = ([p[14], p[15], p[16], p[17]], [p[24], p[25], p[26], p[27]]);
    let how = match (p[7], sender == target) {
        (ARP_REQUEST, true) => Announced::GratuitousRequest,
        (ARP_REPLY, true) => Announced::GratuitousReply,
        _ => Announced::Arp,
    };
    let operation = p[6] == 0 && (p[7] == ARP_REQUEST || p[7] == ARP_REPLY);
    // A probe has no sender address yet (RFC 5227); from 224 up there are no hosts.
    let nobody = sender == [0; 4] || sender[0] >= 224;
    if start != ARP_START || !operation || nobody || !is_host(mac) {
        return count_claim(claims::IGNORED);
    }
    claimed(&mapped(sender), VipValue::claim(mac, how, hook == hook::UPLINK_OUT), how);
}

/// Handles the ICMPv6 message behind the IPv6 header at this offset. True if it is a neighbour advertisement. One
/// behind extension headers is ignored: hosts don't send any.
#[inline(never)]
pub(super) fn advertisement(skb: *mut __sk_buff, at: u32, hook: u8) -> bool {
    let Some([high, low, next, hops]) = load::<4>(skb, at + 4) else { return false };
    let Some([kind, code]) = load::<2>(skb, at + IPV6_LEN) else { return false };
    if next != IPPROTO_ICMPV6 || kind != ADVERTISEMENT {
        return false;
    }
    let end = at + IPV6_LEN + u32::from(u16::from_be_bytes([high, low]));
    let target = load::<16>(skb, at + IPV6_LEN + 8).filter(can_be_claimed);
    let mac = if hops == ON_LINK_HOPS && code == 0 { link_layer(skb, at + IPV6_LEN, end) } else { 0 };
    match target {
        Some(target) if mac != 0 => {
            let (mac, _, _) = VipValue::parts(mac);
            let claim = VipValue::claim(mac, Announced::Advertisement, hook == hook::UPLINK_OUT);
            claimed(&target, claim, Announced::Advertisement);
        }
        _ => count_claim(claims::IGNORED),
    }
    true
}

/// Returns the address in the target link-layer option of the advertisement from `at` to `end`, or else the frame's
/// source. 0 if an option is malformed or the address is no host's. It is a word, because a register holds it.
#[inline(never)]
fn link_layer(skb: *mut __sk_buff, at: u32, end: u32) -> u64 {
    // SAFETY: the context is valid for the program's run.
    let len = unsafe { (*skb).len };
    let mut option = at + ADVERTISEMENT_LEN;
    if end > len || option > end {
        return 0;
    }
    let mut found = 0;
    for _ in 0..MAX_OPTIONS {
        if option == end {
            break;
        }
        let Some([kind, words, a, b, c, d, e, f]) = load::<8>(skb, option) else { return 0 };
        option += u32::from(words) * 8;
        // The length of an Ethernet address makes this option one word of 8 bytes.
        if words == 0 || option > end || (kind == TARGET_LINK_LAYER && words != 1) {
            return 0;
        }
        if kind == TARGET_LINK_LAYER && found == 0 {
            found = host([a, b, c, d, e, f]);
            if found == 0 {
                return 0;
            }
        }
    }
    if option != end {
        return 0;
    }
    if found != 0 { found } else { load::<6>(skb, ETHERNET_SOURCE).map_or(0, host) }
}

/// Returns the address as the bits of a claim, so that it is a word: the rest of that claim is not used. 0 for an address
/// that is no host's.
#[inline(always)]
fn host(mac: [u8; 6]) -> u64 {
    if is_host(mac) { VipValue::claim(mac, Announced::GratuitousRequest, false) } else { 0 }
}

/// Is true when an address is neither zero nor a group address.
#[inline(always)]
fn is_host(mac: [u8; 6]) -> bool {
    mac != [0; 6] && mac[0] & 1 == 0
}

/// Is true when an address is neither unspecified, multicast, nor a mapped IPv4 address, which would pass for ARP's.
#[inline(always)]
fn can_be_claimed(ip: &[u8; 16]) -> bool {
    let [_, _, _, _, _, _, _, _, _, _, _, _, a, b, c, d] = *ip;
    ip[0] != 0xff && *ip != [0; 16] && *ip != mapped([a, b, c, d])
}

/// Handles a well-formed claim: it is kept for a known VIP, and counted for any other address.
#[inline(never)]
fn claimed(ip: &[u8; 16], claim: u64, how: Announced) {
    let Some(vip) = VIPS.get_ptr_mut(ip) else { return count_claim(claims::UNKNOWN) };
    // SAFETY: map values stay valid while the program runs; other CPUs may write the same fields, and each field is a
    // single word.
    let vip = unsafe { &mut *vip };
    let now = emit::now();
    vip.newest = claim;
    vip.newest_ns = now;
    if VipValue::same_host(claim, vip.reported) && now.saturating_sub(vip.reported_ns) < STILL_NS {
        return;
    }
    let Some(all) = DUE.get_ptr_mut(0) else { return };
    // SAFETY: as above. Two CPUs at the same time may both use one turn; neither waits for the other.
    let all = unsafe { &mut *all };
    let (Some(mine), Some(next)) = (EACH.after(vip.due_ns, now), ALL.after(*all, now)) else {
        return count_claim(claims::THROTTLED);
    };
    if emit::announcement(ip, claim, how, now) {
        vip.reported = claim;
        vip.reported_ns = now;
        vip.due_ns = mine;
        *all = next;
    }
}
