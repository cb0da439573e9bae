//! Finds out whether a freed packet was in the agent's own network namespace or in one of its pods'.
//!
//! A pod's namespace holds an interface (veth or netkit) whose other end is in the agent's own namespace and leads to a
//! pod by its role there. The role matters: where nodes are containers, the machine's namespace holds the other end of
//! each node's uplink, and is no pod's.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use observer_abi::{NamespaceCheck, NamespaceKey, NamespaceLayout, iface};

use super::drops::read;
use super::emit;
use super::settings::namespace as layout;
use super::tables::{NAMESPACE_CHECKS, role};

/// Results of [`owner`].
pub(super) const OURS: u32 = 0;
pub(super) const OTHER: u32 = 1;
pub(super) const UNKNOWN: u32 = 2;

/// A result of [`check`]: the namespace has nothing but a loopback. A pod's is like that until its interface moves in.
const LOOPBACK_ONLY: u32 = 3;
/// The loopback's index in every namespace.
const LOOPBACK: u32 = 1;
/// `list_head.prev`.
const LIST_PREV: u64 = 8;
/// Interfaces of a namespace that are looked at. Before a pod's own come the loopback and up to ten tunnels that the
/// kernel makes in each namespace.
const MAX_INTERFACES: u32 = 32;
/// How long a check of a namespace holds.
const VALID_NS: u64 = 1_000_000_000;

/// Returns whose namespace a packet was in.
#[inline(always)]
pub(super) fn owner(skb: u64, receiver: u64) -> u32 {
    settle(find_owner(skb, receiver))
}

/// Returns the value, of which the verifier knows nothing any more: it comes back out of memory. Otherwise it would go on
/// from each way on which a result was found, and verify all that follows as often.
#[inline(always)]
fn settle(value: u32) -> u32 {
    let mut out = UNKNOWN;
    // SAFETY: the helper copies four bytes from one variable to the other. Both are readable, so that it does not fail.
    unsafe { bpf_probe_read_kernel((&raw mut out).cast(), 4, (&raw const value).cast()) };
    out
}

#[inline(never)]
fn find_owner(skb: u64, receiver: u64) -> u32 {
    let Some(net) = net_of(skb, receiver) else { return UNKNOWN };
    if u64::from(net.inum) == layout::own() {
        return OURS;
    }
    let now = emit::now();
    if let Some(known) = NAMESPACE_CHECKS.get_ptr(&net) {
        // SAFETY: map values stay valid while the program runs.
        let known = unsafe { &*known };
        if now.wrapping_sub(known.checked_ns) < VALID_NS {
            return if known.ours == 1 { OURS } else { OTHER };
        }
    }
    let found = settle(check(net.at));
    if found == LOOPBACK_ONLY {
        return OTHER;
    }
    // What is unknown now may be known with the next packet.
    if found != UNKNOWN {
        let entry = NamespaceCheck { checked_ns: now, ours: u8::from(found == OURS), _pad: [0; 7] };
        let _ = NAMESPACE_CHECKS.insert(&net, &entry, 0);
    }
    found
}

/// Finds a packet's namespace: by its interface, else by its socket, else by its route. TCP clears the interface of a
/// packet that it takes, and where a packet waits in one of TCP's trees, other pointers stand in the place.
#[inline(always)]
fn net_of(skb: u64, receiver: u64) -> Option<NamespaceKey> {
    by_device(skb + layout::skb_dev())
        .or_else(|| by_socket(read(skb + layout::skb_sk())?))
        .or_else(|| by_socket(receiver))
        .or_else(|| {
            // The lowest bits are flags.
            let dst = read::<u64>(skb + layout::skb_dst())? & !7;
            if dst == 0 { None } else { by_device(dst + layout::dst_dev()) }
        })
}

/// Returns the namespace of the interface that a pointer refers to.
#[inline(always)]
fn by_device(pointer: u64) -> Option<NamespaceKey> {
    let device: u64 = read(pointer)?;
    if device == 0 { None } else { net(read(device + layout::dev_net())?) }
}

#[inline(always)]
fn by_socket(socket: u64) -> Option<NamespaceKey> {
    if socket == 0 { None } else { net(read(socket + layout::sock_net())?) }
}

/// Returns the namespace at an address. There is one if it has the number of a namespace, and its list of interfaces leads
/// back to it.
#[inline(always)]
fn net(at: u64) -> Option<NamespaceKey> {
    let inum: u32 = read(at + layout::net_inum())?;
    if !NamespaceLayout::INUMS.contains(&inum) {
        return None;
    }
    let head = at + layout::net_devices();
    let first: u64 = read(head)?;
    if read::<u64>(first + LIST_PREV)? != head {
        return None;
    }
    Some(NamespaceKey { at, inum, _pad: [0; 4] })
}

/// Looks for an interface that leads to the agent's own namespace.
#[inline(never)]
fn check(net: u64) -> u32 {
    let head = net + layout::net_devices();
    let mut entry = head;
    let mut found = LOOPBACK_ONLY;
    for _ in 0..MAX_INTERFACES {
        let Some(next) = read::<u64>(entry) else { break };
        if next == head {
            break;
        }
        entry = next;
        let device = entry - layout::dev_list();
        match settle(leads(device)) {
            OURS => return OURS,
            UNKNOWN => found = UNKNOWN,
            _ if found == LOOPBACK_ONLY && !is_loopback(device) => found = OTHER,
            _ => {}
        }
        found = settle(found);
    }
    found
}

#[inline(always)]
fn is_loopback(device: u64) -> bool {
    read::<u32>(device + layout::dev_index()).is_none_or(|index| index == LOOPBACK)
}

/// Returns where an interface leads.
#[inline(never)]
fn leads(device: u64) -> u32 {
    peer_role(device).unwrap_or(OTHER)
}

#[inline(always)]
fn peer_role(device: u64) -> Option<u32> {
    let ops: u64 = read(device + layout::dev_ops())?;
    if ops == 0 {
        return None;
    }
    let kind: [u8; 5] = read(read(ops + layout::ops_kind())?)?;
    if kind != *b"veth\0" && kind != *b"netki" {
        return None;
    }
    let peer: u64 = read(device + layout::dev_private())?;
    if peer == 0 || u64::from(net(read(peer + layout::dev_net())?)?.inum) != layout::own() {
        return None;
    }
    let index: u32 = read(peer + layout::dev_index())?;
    Some(match role(index) {
        iface::POD | iface::UNSEEN_POD => OURS,
        iface::UPLINK | iface::UPLINK_PORT | iface::FORMER_UPLINK => OTHER,
        // Userspace has not reported it yet.
        _ => UNKNOWN,
    })
}
