//! A TCP segment as a hook sees it, and whether another hook has seen it before.

use aya_ebpf::bindings::__sk_buff;
use observer_abi::{hook, iface};

use super::packet::{Ip, Tcp};
use super::tables;

/// A TCP segment at a hook.
///
/// The order of the fields is for the verifier: since 6.8 it remembers a byte that is stored where eight of them begin, and
/// follows only the ways of that hook and that sighting.
#[repr(C)]
pub(super) struct Segment<'a> {
    pub(super) hook: u8,
    /// The hook's interface and direction, see [`observer_abi::place`].
    pub(super) place: u32,
    pub(super) sighting: Sighting,
    /// Is true for a frame whose destination address is another host's: flooded by a switch, mirrored, or for an
    /// interface below this one.
    pub(super) foreign: bool,
    /// `skb_iif`, the interface by which the packet came into this namespace, 0 if it was made here.
    pub(super) ingress: u32,
    pub(super) ip: &'a Ip,
    pub(super) tcp: &'a Tcp,
}

/// Names the hook of this node, if any, that has seen this very packet before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sighting {
    /// No other hook has seen it: count it.
    First,
    /// A pod's veth.
    AfterPod,
    /// An uplink.
    AfterUplink,
}

/// `PACKET_OTHERHOST` of <https://github.com/torvalds/linux/blob/v5.10/include/uapi/linux/if_packet.h>.
const PACKET_OTHERHOST: u32 = 3;

/// Is true for a frame that came in for another host. Pods are left out: their frames are for the bridge or the node, not
/// for the veth.
#[inline(always)]
pub(super) fn is_foreign(skb: *mut __sk_buff, hook: u8, ethernet: bool) -> bool {
    // SAFETY: the context is valid for the program's run.
    let (kind, ifindex) = unsafe { ((*skb).pkt_type, (*skb).ifindex) };
    ethernet
        && hook == hook::UPLINK_IN
        && kind == PACKET_OTHERHOST
        && tables::role(ifindex) != iface::UPLINK_PORT
}

impl Segment<'_> {
    /// Returns the interface by which the packet came to this node; 0 if the node made it, or the pod at this hook.
    #[inline(always)]
    pub(super) fn entered(&self) -> u32 {
        if self.hook == hook::POD_OUT { 0 } else { self.ingress }
    }
}

impl Sighting {
    /// Follows from `skb_iif`, the interface by which the packet entered this namespace, 0 if it was made here. A
    /// packet that leaves through one of our hooks was counted already if it entered through another.
    #[inline(always)]
    pub(super) fn of(skb: *mut __sk_buff, hook: u8) -> Self {
        if hook == hook::POD_OUT || hook == hook::UPLINK_IN {
            return Self::First;
        }
        // SAFETY: the context is valid for the program's run.
        let ingress = unsafe { (*skb).ingress_ifindex };
        if ingress == 0 {
            return Self::First;
        }
        match tables::role(ingress) {
            iface::POD | iface::FORMER_UPLINK => Self::AfterPod,
            iface::UPLINK | iface::UPLINK_PORT => Self::AfterUplink,
            _ => Self::First,
        }
    }
}
