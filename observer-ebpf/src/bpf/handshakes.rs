//! Counts handshakes at pods' interfaces: do a pod's answers come with questions?
//!
//! The tracker's functions are deep already, and kernels before 6.12 allow 512 bytes of stack for a whole chain of calls.
//! So this is called beside them, with what they found.

use observer_abi::hook;

use super::segment::Segment;
use super::tables::{self, Handshake};
use super::tracker::{self, Answered};

/// Counts a SYN that is on its way into a pod.
#[inline(always)]
pub(super) fn syn(seen: &Segment<'_>) {
    if seen.hook == hook::POD_IN {
        tables::count_handshake(seen.place >> 1, Handshake::Syn);
    }
}

/// Counts a SYN-ACK of a pod whose SYN was not seen on its way into it.
#[inline(always)]
pub(super) fn syn_ack(seen: &Segment<'_>, answered: Answered) {
    if seen.hook != hook::POD_OUT {
        return;
    }
    match answered {
        Answered::Elsewhere => tables::count_handshake(seen.place >> 1, Handshake::Bypassed),
        // It may repeat the one that opened a connection.
        Answered::Unknown if !is_open(seen) => {
            tables::count_handshake(seen.place >> 1, Handshake::Unknown);
        }
        Answered::Unknown | Answered::Arrived | Answered::Ended => {}
    }
}

#[inline(never)]
fn is_open(seen: &Segment<'_>) -> bool {
    tables::opened(&tracker::reversed(seen)).is_some()
}
