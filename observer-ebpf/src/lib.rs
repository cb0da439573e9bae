//! What crosses the kernel boundary: map keys and values, ring records and load-time settings.
//!
//! Everything here is plain bytes in native endianness with explicit padding, so that a map key compares
//! equal byte by byte and a ring record decodes without `unsafe`. Addresses are 16 bytes; IPv4 is mapped
//! (`::ffff:a.b.c.d`). Ports and sequence numbers are in host order.
#![cfg_attr(target_arch = "bpf", no_std)]

mod decode;
mod maps;
mod record;

pub use decode::DecodeError;
pub use maps::{ConnKey, ConnValue, Counters, DropKey, FlowKey, FlowValue, HeldReset, PairKey, VipValue};
pub use record::{AnnouncementRecord, AttemptRecord, DropRecord, Header, Record, ResetRecord, Tuple};

/// Which packets a program sees; an attempt's vantage follows from it.
pub mod hook {
    /// Host side of a pod's veth, ingress: the pod sends.
    pub const POD_OUT: u8 = 0;
    /// Host side of a pod's veth, egress: the pod receives.
    pub const POD_IN: u8 = 1;
    /// An uplink, ingress.
    pub const UPLINK_IN: u8 = 2;
    /// An uplink, egress.
    pub const UPLINK_OUT: u8 = 3;
}

/// Where on the node a flow was seen.
pub mod vantage {
    /// Leaving a local pod.
    pub const SOURCE: u8 = 0;
    /// Arriving at a local pod that no local pod sent it to.
    pub const DESTINATION: u8 = 1;
    /// On an uplink only.
    pub const TRANSIT: u8 = 2;
    /// How many there are.
    pub const COUNT: usize = 3;
}

/// How an attempt ended.
pub mod outcome {
    /// Not known yet.
    pub const PENDING: u8 = 0;
    /// A SYN-ACK answered.
    pub const ESTABLISHED: u8 = 1;
    /// A RST answered the SYN.
    pub const REFUSED: u8 = 2;
    /// An ICMP error quoted the SYN.
    pub const REJECTED: u8 = 3;
    /// Nothing answered; decided in userspace, never in the kernel.
    pub const UNANSWERED: u8 = 4;
}

/// Who sent a RST.
pub mod side {
    /// The side that opened the connection.
    pub const CLIENT: u8 = 0;
    /// The side that accepted it.
    pub const SERVER: u8 = 1;
}

/// How far a connection was when a RST ended it.
pub mod phase {
    /// The handshake was not complete.
    pub const HANDSHAKE: u8 = 0;
    /// The handshake was seen, or the conntrack dump at start knew the flow.
    pub const ESTABLISHED: u8 = 1;
    /// This node never saw the SYN.
    pub const ORPHAN: u8 = 2;
}

/// Roles of an interface in the `IFACES` map, indexed by ifindex.
pub mod iface {
    /// Not ours: what it receives has not been counted yet.
    pub const UNKNOWN: u8 = 0;
    /// A pod's veth, or a bridge that has one as a port.
    pub const POD: u8 = 1;
    /// An uplink.
    pub const UPLINK: u8 = 2;
    /// Size of the map; an ifindex past it reads as unknown.
    pub const MAX: u32 = 65_536;
}

/// Kinds of ring record, the first byte of each.
pub mod kind {
    /// An [`super::AttemptRecord`].
    pub const ATTEMPT: u8 = 1;
    /// A [`super::ResetRecord`].
    pub const RESET: u8 = 2;
    /// A [`super::DropRecord`].
    pub const DROP: u8 = 3;
    /// An [`super::AnnouncementRecord`].
    pub const ANNOUNCEMENT: u8 = 4;
}

/// In which kind of frame a host claimed an address.
pub mod announced {
    /// ARP request whose sender and target address are the same.
    pub const GRATUITOUS_REQUEST: u8 = 0;
    /// ARP reply whose sender and target address are the same.
    pub const GRATUITOUS_REPLY: u8 = 1;
    /// Any other ARP request or reply.
    pub const ARP: u8 = 2;
    /// IPv6 neighbour advertisement.
    pub const ADVERTISEMENT: u8 = 3;
}

/// Slots of the per-CPU `CLAIMS` array: announcements that made no record.
pub mod claims {
    /// Of an address that is no known VIP.
    pub const UNKNOWN: u32 = 0;
    /// Malformed, or by an address that no host can have.
    pub const IGNORED: u32 = 1;
    /// Of a known VIP, but its records come too fast; the newest claimant is in the map.
    pub const THROTTLED: u32 = 2;
    /// How many slots there are.
    pub const COUNT: u32 = 3;
}

/// VIPs that the kernel can watch.
pub const MAX_VIPS: u32 = 4_096;
/// Resets held at once, in the map of [`HeldReset`].
pub const MAX_HELD: u32 = 4_096;

/// Slots of the per-CPU `LOST` array: increments or records that found no room.
pub mod lost {
    /// Ring records that did not fit the ring buffer.
    pub const RING: u32 = 0;
    /// Counter increments folded into the remainder because the pair map was full.
    pub const PAIRS: u32 = 1;
    /// Attempts that could not be tracked: their SYNs are counted, their outcome is not.
    pub const CONNS: u32 = 2;
    /// Drops folded because the drop map was full.
    pub const DROPS: u32 = 3;
    /// How many slots there are.
    pub const COUNT: u32 = 4;
}

/// Drop reasons of interest are a bit set of this many bits; a larger reason (a subsystem's) is always of interest.
pub const REASON_BITS: usize = 256;

/// Reason recorded on kernels that give none (before 5.17).
pub const REASON_NONE: u32 = u32::MAX;
