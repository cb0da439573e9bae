//! Counts handshakes at pods' interfaces: do a pod's answers come with questions?
//!
//! The tracker's functions are deep already, and kernels before 6.12 allow 512 bytes of stack for a whole chain of calls.
//! So this is called beside them, with what they found.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use observer_abi::{Handshakes, hook, iface};

use super::segment::Segment;
use super::tables::{self, add};
use super::tracker::{self, Answered};

/// The handshakes at pods' interfaces, by ifindex.
#[map]
static HANDSHAKES: HashMap<u32, Handshakes> = HashMap::with_max_entries(iface::MAX, BPF_F_NO_PREALLOC);

const NOEXIST: u64 = 1;

/// Counts a SYN that is on its way into a pod.
#[inline(always)]
pub(super) fn syn(seen: &Segment<'_>) {
    if seen.hook == hook::POD_IN {
        count(seen.place >> 1, 0);
    }
}

/// Counts a SYN-ACK of a pod whose SYN was not seen on its way into it.
#[inline(always)]
pub(super) fn syn_ack(seen: &Segment<'_>, answered: Answered) {
    if seen.hook != hook::POD_OUT {
        return;
    }
    match answered {
        Answered::Elsewhere => count(seen.place >> 1, 1),
        // It may repeat the one that opened a connection.
        Answered::Unknown if !is_open(seen) => count(seen.place >> 1, 2),
        Answered::Unknown | Answered::Arrived | Answered::Ended => {}
    }
}

#[inline(never)]
fn is_open(seen: &Segment<'_>) -> bool {
    tables::opened(&tracker::reversed(seen)).is_some()
}

/// Adds to the field of [`Handshakes`] with this position. Without room for the interface nothing is counted.
#[inline(never)]
fn count(ifindex: u32, field: u32) {
    const NONE: Handshakes = Handshakes { syns: 0, bypassed: 0, unknown: 0 };
    if HANDSHAKES.get_ptr(&ifindex).is_none() {
        let _ = HANDSHAKES.insert(&ifindex, &NONE, NOEXIST);
    }
    let Some(counts) = HANDSHAKES.get_ptr_mut(&ifindex) else { return };
    // SAFETY: it points into a map value; each count is a single word.
    let count = unsafe {
        match field {
            0 => &raw mut (*counts).syns,
            1 => &raw mut (*counts).bypassed,
            _ => &raw mut (*counts).unknown,
        }
    };
    add(count, 1);
}
