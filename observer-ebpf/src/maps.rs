//! Keys and values of the kernel maps.
//!
//! Enumerations are raw bytes here, because map memory may be read as any bytes; see [`crate::Vantage::from_byte`].

use crate::record::Tuple;
use crate::values::{Announced, Outcome, Phase, Side};

/// Identifies a pair, for which counters are kept: two addresses, the server's port, and the vantage.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PairKey {
    /// The side that opened the connection.
    pub src: [u8; 16],
    /// The side it was opened to, as the client addressed it.
    pub dst: [u8; 16],
    /// Server port, host order.
    pub dport: u16,
    /// A [`crate::Vantage`].
    pub vantage: u8,
    pub _pad: u8,
}

/// Holds the counters of a pair. Increments are wrapping adds: a correction is an add of -1.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// SYN packets, retransmissions included.
    pub syn: u64,
    /// SYN packets that repeat one of the same attempt.
    pub syn_retransmits: u64,
    /// RST packets by [`crate::Side`] and [`crate::Phase`].
    pub rst: [[u64; Phase::ALL.len()]; Side::ALL.len()],
    /// Attempts by the byte of their [`crate::Outcome`]. The first one, of [`ConnValue::PENDING`], stays 0. Most of the
    /// unanswered are not here: no packet ends them, so userspace counts them.
    pub outcomes: [u64; Outcome::ALL.len() + 1],
}

/// Identifies what established attempts are merged by: the pair and the server that the connections reached.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MergedKey {
    /// Client address.
    pub src: [u8; 16],
    /// Server address as the client addressed it.
    pub dst: [u8; 16],
    /// Server address after DNAT, zero if it is the same.
    pub backend: [u8; 16],
    /// Server port as the client addressed it.
    pub dport: u16,
    /// Server port after DNAT, zero if the address is the same.
    pub backend_port: u16,
    /// A [`crate::Vantage`].
    pub vantage: u8,
    pub _pad: [u8; 3],
}

/// Counts established attempts that have no records of their own. The fields beside the count are those of the newest.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    pub count: u64,
    /// `bpf_ktime_get_ns` of its answer.
    pub time_ns: u64,
    /// Client's initial sequence number.
    pub isn: u32,
    /// Client port.
    pub sport: u16,
    pub _pad: [u8; 2],
}

/// Counts handshakes by the time that they took.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// By the first of [`LATENCY_BOUNDS_US`] that is not below the time; those above all bounds are the last ones.
    pub buckets: [u64; LATENCY_BUCKETS],
    /// All times together.
    pub sum_ns: u64,
}

/// The bounds of the buckets of [`Latencies`], microseconds. A handshake in a node takes tens of microseconds; a repeated
/// SYN costs one second.
pub const LATENCY_BOUNDS_US: [u64; LATENCY_BUCKETS - 1] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000,
];
/// Number of buckets of [`Latencies`]: a power of two, by which programs bound an index.
pub const LATENCY_BUCKETS: usize = 16;

/// Identifies a handshake. Source and sequence number survive DNAT, so one SYN has the same key at every hook, until its
/// source is rewritten.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnKey {
    /// Client address.
    pub src: [u8; 16],
    /// Initial sequence number.
    pub isn: u32,
    /// Client port.
    pub sport: u16,
    pub _pad: [u8; 2],
}

/// Holds the state of a handshake: of a pending one in `CONNS`, of one that had no success in `ENDED`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnValue {
    /// `bpf_ktime_get_ns` of the first SYN.
    pub first_ns: u64,
    /// `bpf_ktime_get_ns` of the last SYN.
    pub last_ns: u64,
    /// Destination as first seen.
    pub dst: [u8; 16],
    /// Destination after DNAT, from the arrival at the backend, its answer, or the SYN's drop; zero while unknown.
    pub backend: [u8; 16],
    /// Port as first seen.
    pub dport: u16,
    /// Port after DNAT.
    pub backend_port: u16,
    /// SYNs seen, the first included.
    pub syns: u32,
    /// Last drop reason of a SYN of this attempt plus one; 0 if there was no drop.
    pub drop_reason: u32,
    /// The place that saw the first SYN, see [`place`]. Only the same place can see the same SYN again.
    pub place: u32,
    /// The place that saw the first answer, 0 before it.
    pub answer_place: u32,
    /// A [`crate::Outcome`], or [`ConnValue::PENDING`].
    pub outcome: u8,
    /// A [`crate::Vantage`].
    pub vantage: u8,
    /// Answers that the place of the first one saw, at most 255.
    pub answers: u8,
    /// Bits, named by the constants of this type.
    pub flags: u8,
}

/// Names the place where a hook is: its interface and its direction. 0 is no place.
#[inline(always)]
#[must_use]
pub const fn place(ifindex: u32, hook: u8) -> u32 {
    ifindex << 1 | (hook & 1) as u32
}

/// Identifies a connection, open or ended recently, as one hook sees it, in the client's direction.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// Client address.
    pub src: [u8; 16],
    /// Server address.
    pub dst: [u8; 16],
    /// Client port.
    pub sport: u16,
    /// Server port.
    pub dport: u16,
}

/// Describes a connection, open or ended recently.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowValue {
    /// Destination as the client addressed it.
    pub dst: [u8; 16],
    /// Backend address, zero if the same.
    pub backend: [u8; 16],
    /// Client's initial sequence number; 0 when seeded from conntrack.
    pub isn: u32,
    /// Port as the client addressed it.
    pub dport: u16,
    /// Backend port.
    pub backend_port: u16,
    /// The place that saw the RST that ended it, 0 before.
    pub rst_place: u32,
    /// The sequence number of that RST.
    pub rst_seq: u32,
    /// Bits, named by the constants of this type.
    pub flags: u8,
    /// A [`crate::Vantage`].
    pub vantage: u8,
    pub _pad: [u8; 2],
}

impl Counters {
    /// Nothing counted yet.
    pub const ZERO: Self = Self {
        syn: 0,
        syn_retransmits: 0,
        rst: [[0; Phase::ALL.len()]; Side::ALL.len()],
        outcomes: [0; Outcome::ALL.len() + 1],
    };
}

impl ConnValue {
    /// Stands in `outcome` while there is none.
    pub const PENDING: u8 = 0;
    /// The answer that a place saw was a RST.
    pub const REFUSED: u8 = 1;
    /// Only a frame for another host speaks of this attempt. It is not counted while this is so.
    pub const FOREIGN: u8 = 2;
    /// The client has sent a RST for its own SYN.
    pub const GAVE_UP: u8 = 4;
    /// A SYN was seen on its way into a pod of this node.
    pub const ARRIVED: u8 = 8;
    /// The node or a pod of it made the RST that answered last.
    pub const REFUSED_HERE: u8 = 16;
    /// The node itself sent the SYN, or a pod in the node's network, or one whose interface lies on an uplink (macvlan).
    pub const MADE_HERE: u8 = 32;
    /// No hook saw it: the client's socket told of it.
    pub const BY_SOCKET: u8 = 64;

    /// Returns the addresses of the attempt with this key.
    #[inline(always)]
    #[must_use]
    pub const fn tuple(&self, key: &ConnKey) -> Tuple {
        Tuple {
            src: key.src,
            dst: self.dst,
            backend: self.backend,
            sport: key.sport,
            dport: self.dport,
            backend_port: self.backend_port,
            _pad: [0; 2],
        }
    }
}

impl FlowValue {
    /// The client's FIN was seen.
    pub const FIN_CLIENT: u8 = 1;
    /// The server's FIN was seen.
    pub const FIN_SERVER: u8 = 2;
    /// The flow was not seen opening: it is from the kernel's connection table.
    pub const SEEDED: u8 = 4;

    /// Returns the connection that an attempt has become.
    #[inline(always)]
    #[must_use]
    pub const fn opened(key: &ConnKey, conn: &ConnValue) -> Self {
        Self {
            dst: conn.dst,
            backend: conn.backend,
            isn: key.isn,
            dport: conn.dport,
            backend_port: conn.backend_port,
            rst_place: 0,
            rst_seq: 0,
            flags: 0,
            vantage: conn.vantage,
            _pad: [0; 2],
        }
    }

    /// Returns the addresses of the connection with this key.
    #[inline(always)]
    #[must_use]
    pub const fn tuple(&self, key: &FlowKey) -> Tuple {
        Tuple {
            src: key.src,
            dst: self.dst,
            backend: self.backend,
            sport: key.sport,
            dport: self.dport,
            backend_port: self.backend_port,
            _pad: [0; 2],
        }
    }
}

/// Describes a RST of an unknown connection on its way through the node, from its first hook to the one by which it
/// leaves. The key is its [`mark`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransitReset {
    /// `bpf_ktime_get_ns` at the first hook.
    pub time_ns: u64,
    /// The client, as the first hook saw it.
    pub src: [u8; 16],
    /// The server, as the first hook saw it.
    pub dst: [u8; 16],
    pub sport: u16,
    pub dport: u16,
    /// The place that saw it first.
    pub place: u32,
    /// A [`crate::Vantage`].
    pub vantage: u8,
    /// The [`Side`] that sent it.
    pub by: u8,
    /// Is 1 when it was reported already, else 0: it stays a while, so that a further hook doesn't report it again.
    pub reported: u8,
    pub _pad: [u8; 5],
}

/// Identifies a RST by its sequence number (upper half) and acknowledgement number, because NAT does not change them.
///
/// By them the two ways in which TCP makes a RST differ, see [`is_reply`].
#[inline(always)]
#[must_use]
pub const fn mark(seq: u32, ack: u32) -> u64 {
    (seq as u64) << 32 | ack as u64
}

/// Is true for the mark of a RST that replies to a segment without looking at a connection's state: it has the
/// acknowledgement number of the segment as its sequence number and acknowledges nothing, or it has the sequence number 0
/// (RFC 9293, 3.10.7.1). A RST that ends a connection of its sender has both.
#[inline(always)]
#[must_use]
pub const fn is_reply(mark: u64) -> bool {
    mark >> 32 == 0 || mark as u32 == 0
}

/// Records why this kernel's TCP sent a RST. The key is the [`mark`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResetReason {
    /// `bpf_ktime_get_ns` at which TCP announced it: before a reply is sent, but after a RST that ends a connection was.
    pub time_ns: u64,
    /// `enum sk_rst_reason`.
    pub reason: u32,
    pub _pad: [u8; 4],
}

/// Counts the SYNs that enter a pod's interface and the SYN-ACKs that leave it, as far as these tell whether packets reach
/// the pod past the hooks. The key is the ifindex.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshakes {
    /// SYNs on their way into the pod.
    pub syns: u64,
    /// SYN-ACKs of the pod whose SYN entered the node by another hook, but was not seen on its way into a pod.
    pub bypassed: u64,
    /// SYN-ACKs of the pod that belong to no known SYN. NAT may have changed it, or it is forgotten.
    pub unknown: u64,
}

/// Identifies what drops are counted by: the pair and the reason.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DropKey {
    /// The side that opened the connection.
    pub src: [u8; 16],
    /// The side it was opened to, by the address in the dropped packet.
    pub dst: [u8; 16],
    /// `enum skb_drop_reason`, or [`crate::REASON_NONE`].
    pub reason: u32,
    /// Server port.
    pub dport: u16,
    pub _pad: [u8; 2],
}

/// Records who claims a VIP. The key is the address. Only userspace makes entries, so that claims can't fill the map.
/// Every field is one word, so that a reader or another CPU never sees half a claim.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VipValue {
    /// The newest claim as [`VipValue::claim`] packs it, 0 before the first.
    pub newest: u64,
    /// `bpf_ktime_get_ns` of the newest claim.
    pub newest_ns: u64,
    /// The claim in the newest record, 0 before the first.
    pub reported: u64,
    /// `bpf_ktime_get_ns` of the newest record.
    pub reported_ns: u64,
    /// The time when the next record would be due if records kept to their rate.
    pub due_ns: u64,
}

impl VipValue {
    /// The bits of a claim that are its Ethernet address.
    const MAC: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);

    /// Packs a claim into one word: Ethernet address, kind of frame, and whether this node sent it.
    #[inline(always)]
    #[must_use]
    pub const fn claim(mac: [u8; 6], how: Announced, outbound: bool) -> u64 {
        u64::from_ne_bytes([mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], how.byte(), outbound as u8])
    }

    /// Returns the Ethernet address, the byte of an [`Announced`], and whether this node sent the frame.
    #[inline(always)]
    #[must_use]
    pub const fn parts(claim: u64) -> ([u8; 6], u8, bool) {
        let [a, b, c, d, e, f, how, outbound] = claim.to_ne_bytes();
        ([a, b, c, d, e, f], how, outbound != 0)
    }

    /// Is true when two claims name the same Ethernet address.
    #[inline(always)]
    #[must_use]
    pub const fn same_host(one: u64, other: u64) -> bool {
        (one ^ other) & Self::MAC == 0
    }
}

const _: () = assert!(size_of::<TransitReset>() == 56);
const _: () = assert!(size_of::<Handshakes>() == 24);
const _: () = assert!(size_of::<ResetReason>() == 16);
const _: () = assert!(size_of::<PairKey>() == 36);
const _: () = assert!(size_of::<Counters>() == 104);
const _: () = assert!(size_of::<MergedKey>() == 56);
const _: () = assert!(size_of::<Merged>() == 24);
const _: () = assert!(size_of::<Latencies>() == 136);
const _: () = assert!(size_of::<ConnKey>() == 24);
const _: () = assert!(size_of::<ConnValue>() == 72);
const _: () = assert!(size_of::<FlowKey>() == 36);
const _: () = assert!(size_of::<FlowValue>() == 52);
const _: () = assert!(size_of::<DropKey>() == 40);
const _: () = assert!(size_of::<VipValue>() == 40);

#[cfg(feature = "user")]
mod pod {
    #![expect(unsafe_code, reason = "aya::Pod is an unsafe marker trait")]
    use super::{
        ConnKey, ConnValue, Counters, DropKey, FlowKey, FlowValue, Handshakes, Latencies, Merged, MergedKey,
        PairKey, ResetReason, TransitReset, VipValue,
    };

    macro_rules! pod {
        ($($t:ty),*) => {$(
            // SAFETY: repr(C), Copy, only integers and byte arrays, and the asserts above show that there is
            // no implicit padding.
            unsafe impl aya::Pod for $t {}
        )*};
    }
    pod!(
        PairKey,
        Counters,
        ConnKey,
        ConnValue,
        FlowKey,
        FlowValue,
        DropKey,
        VipValue,
        TransitReset,
        Handshakes,
        MergedKey,
        Merged,
        Latencies,
        ResetReason
    );
}
