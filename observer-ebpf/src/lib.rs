//! The data that crosses the kernel boundary: map keys and values, ring records and load-time settings.
//!
//! Everything here is plain bytes in native endianness with explicit padding. A map key therefore compares equal byte
//! by byte, and a ring record decodes without `unsafe`. Addresses are 16 bytes; IPv4 is mapped (`::ffff:a.b.c.d`).
//! Ports and sequence numbers are in host order.
#![cfg_attr(target_arch = "bpf", no_std)]

mod decode;
mod listeners;
mod maps;
mod netns;
mod record;
mod resets;
mod sockets;
mod values;

pub use decode::DecodeError;
pub use listeners::ListenerLayout;
pub use maps::{
    ConnKey, ConnValue, Counters, DropKey, FlowKey, FlowValue, Handshakes, LATENCY_BOUNDS_US,
    LATENCY_BUCKETS, Latencies, Merged, MergedKey, PairKey, ResetReason, TransitReset, VipValue, is_reply,
    mark, place,
};
pub use netns::{NamespaceCheck, NamespaceKey, NamespaceLayout};
pub use record::*;
pub use resets::ResetLayout;
pub use sockets::{CGROUP_LEVELS, CGROUP_NAME, CgroupKey, CgroupNames, Cgroups, Listening, SocketLayout};
pub use values::{Announced, Outcome, Phase, Side, Vantage};

/// The version of the pinned maps and of the ring's records. Raise it when a field gets another place or meaning: agents of
/// another version then make maps of their own, where sizes alone would not tell.
pub const PINNED_ABI: u32 = 1;

/// The places where a program can be attached. An attempt's vantage follows from the place where it is seen. The lowest
/// bit is the direction: the hook of the other direction is the number with that bit flipped.
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

/// Roles of an interface in the `IFACES` map, whose key is the ifindex.
pub mod iface {
    /// No program of ours is attached: packets that it receives have not been counted yet. Such an interface has no
    /// entry.
    pub const UNKNOWN: u8 = 0;
    /// A pod's veth, or a bridge that has one as a port.
    pub const POD: u8 = 1;
    /// An uplink.
    pub const UPLINK: u8 = 2;
    /// A veth that was an uplink and is followed like a pod's since it lost that role. Its other end is no pod's.
    pub const FORMER_UPLINK: u8 = 3;
    /// An uplink that is a port of a bridge. It takes frames for the bridge's address, which is not its own.
    pub const UPLINK_PORT: u8 = 4;
    /// A pod's veth to which nothing is attached yet, or nothing could be: it is a pod's, but packets that it receives have not been
    /// counted.
    pub const UNSEEN_POD: u8 = 5;
    /// Interfaces that can have a role. Indexes only grow, so the map is a hash map: a node that has made and removed
    /// many pods has large ones.
    pub const MAX: u32 = 8_192;
}

/// Slots of the per-CPU `CLAIMS` array, which counts announcements without a record.
pub mod claims {
    /// The address is no known VIP.
    pub const UNKNOWN: u32 = 0;
    /// The frame is malformed, or names an address that no host can have.
    pub const IGNORED: u32 = 1;
    /// The records of this known VIP come too fast. The newest claimant is in the map.
    pub const THROTTLED: u32 = 2;
    /// Number of slots.
    pub const COUNT: u32 = 3;
}

/// Established attempts that have records of their own in one burst while nobody follows the records. Those beyond them are
/// merged, if it is known which server they reached.
pub const MAX_SINGLES: u64 = 5_000;
/// Each drain allows so many more of them.
pub const MORE_SINGLES: u64 = 500;
/// Capacity of each map of [`Merged`]. What finds no room has a record of its own.
pub const MAX_MERGED: u32 = 4_096;

/// Capacity of the map of VIPs: as many can be watched.
pub const MAX_VIPS: u32 = 4_096;
/// Capacity of the map of pods' addresses that no hook sees.
pub const MAX_HIDDEN: u32 = 1_024;
/// Capacity of the map of [`TransitReset`].
pub const MAX_TRANSIT_RESETS: u32 = 4_096;

/// Number of words of the `PORTS` array, a set of TCP ports: one bit each.
pub const PORT_WORDS: u32 = 65_536 / 64;

/// Slots of the per-CPU `TURNOVER` array, which counts the handshakes of `CONNS`.
pub mod turnover {
    /// Entries made.
    pub const BEGUN: u32 = 0;
    /// Entries that the programs removed.
    pub const ENDED: u32 = 1;
    /// Number of slots.
    pub const COUNT: u32 = 2;
}

/// Slots of the per-CPU `RESETS_SENT` array, which counts the resets that TCP announced.
pub mod resets_sent {
    /// All of them.
    pub const ANNOUNCED: u32 = 0;
    /// Those that could not be noted.
    pub const FAILED: u32 = 1;
    /// Number of slots.
    pub const COUNT: u32 = 2;
}

/// Slots of the per-CPU `LOST` array, which counts increments and records that found no room.
pub mod lost {
    /// Records that did not fit into the ring buffer, or could not be made.
    pub const RING: u32 = 0;
    /// Counter increments that went to the remainder because the pair map was full.
    pub const PAIRS: u32 = 1;
    /// Attempts that could not be tracked: their SYNs are counted, their outcome is not.
    pub const CONNS: u32 = 2;
    /// Drops that are counted without their pair because the drop map was full.
    pub const DROPS: u32 = 3;
    /// Number of slots.
    pub const COUNT: u32 = 4;
}

/// Slots of the per-CPU `UNATTRIBUTED` array, which counts drops that are not reported: they happened in a network
/// namespace that is not known to be this node's.
pub mod unattributed {
    /// The packet was in a network namespace that is neither the agent's own nor one of its pods'.
    pub const OTHER: u32 = 0;
    /// The packet's network namespace could not be found, or leads to an interface of the node whose role is not known yet.
    pub const UNKNOWN: u32 = 1;
    /// Number of slots.
    pub const COUNT: u32 = 2;
}

/// Size of the set of drop reasons that are reported, bits. A larger reason is a subsystem's, and is always reported.
pub const REASON_BITS: usize = 256;

/// Stands for the reason on kernels that give none (before 5.17).
pub const REASON_NONE: u32 = u32::MAX;
