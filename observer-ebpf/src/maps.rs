//! Keys and values of the kernel maps.

/// Counters are kept per pair: two addresses, the server's port, and the vantage.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PairKey {
    /// The side that opened the connection.
    pub src: [u8; 16],
    /// The side it was opened to, as the client addressed it.
    pub dst: [u8; 16],
    /// Server port, host order.
    pub dport: u16,
    /// One of [`crate::vantage`].
    pub vantage: u8,
    pub _pad: u8,
}

/// What is counted per pair. Increments are wrapping adds: a correction is an add of -1.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// SYN packets, retransmissions included.
    pub syn: u64,
    /// SYN packets that repeat one of the same attempt.
    pub syn_retransmits: u64,
    /// RST packets, `[side][phase]`.
    pub rst: [[u64; 3]; 2],
    /// Attempts by [`crate::outcome`]; `PENDING` and `UNANSWERED` stay 0 in the kernel.
    pub outcomes: [u64; 5],
}

/// Key of a handshake. Source and sequence number survive DNAT, so every sighting of one SYN has the same key.
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

/// State of a handshake. It stays in the map while pending, and for a while after a reject.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnValue {
    /// `bpf_ktime_get_ns` of the first SYN.
    pub first_ns: u64,
    /// `bpf_ktime_get_ns` of the last SYN.
    pub last_ns: u64,
    /// Destination as first seen.
    pub dst: [u8; 16],
    /// Destination after DNAT, from the arrival at the backend or from its drop; zero while unknown.
    pub backend: [u8; 16],
    /// Port as first seen.
    pub dport: u16,
    /// Port after DNAT.
    pub backend_port: u16,
    /// SYNs seen, the first included.
    pub syns: u32,
    /// Last drop reason of a SYN of this attempt plus one; 0 if none.
    pub drop_reason: u32,
    /// One of [`crate::outcome`].
    pub outcome: u8,
    /// One of [`crate::vantage`].
    pub vantage: u8,
    pub _pad: [u8; 2],
}

/// An open connection as one hook sees it, in the client's direction.
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

/// What is kept of an open connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Bits of [`FlowValue::LOCAL`] and the FINs seen.
    pub flags: u8,
    /// One of [`crate::vantage`].
    pub vantage: u8,
    pub _pad: [u8; 2],
}

impl FlowValue {
    /// A pod's veth counts this flow, so uplinks leave it alone.
    pub const LOCAL: u8 = 1;
    /// The client's FIN was seen.
    pub const FIN_CLIENT: u8 = 2;
    /// The server's FIN was seen.
    pub const FIN_SERVER: u8 = 4;
    /// Seeded from conntrack at the agent's start.
    pub const SEEDED: u8 = 8;
    /// Stands for a flow whose source was rewritten on its way out: its real tuple is not this one.
    pub const ALIAS: u8 = 16;
}

/// A RST of a connection that nobody here saw open, between its first hook and the one through which it leaves. Keyed by its
/// sequence (high) and acknowledgement number: NAT leaves them as they are.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldReset {
    /// When the first hook saw it, nanoseconds of the monotonic clock.
    pub time_ns: u64,
    /// The client, as the first hook saw it.
    pub src: [u8; 16],
    /// The server, which sent it.
    pub dst: [u8; 16],
    pub sport: u16,
    pub dport: u16,
    /// One of [`crate::vantage`].
    pub vantage: u8,
    pub _pad: [u8; 3],
}

/// Drops are counted per pair and reason.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DropKey {
    /// The side that opened the connection.
    pub src: [u8; 16],
    /// The side it was opened to, as the dropped packet named it.
    pub dst: [u8; 16],
    /// `enum skb_drop_reason`, or [`crate::REASON_NONE`].
    pub reason: u32,
    /// Server port.
    pub dport: u16,
    pub _pad: [u8; 2],
}

/// Who claims a VIP. Userspace makes the entry, under the address; claims can't. Every field is one word, so that a
/// reader or another CPU never sees half a claim.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VipValue {
    /// The newest claim, see [`VipValue::claim`]; 0 if there was none.
    pub newest: u64,
    /// `bpf_ktime_get_ns` of the newest claim.
    pub newest_ns: u64,
    /// The claim of the newest record; 0 if there was none.
    pub told: u64,
    /// `bpf_ktime_get_ns` of the newest record.
    pub told_ns: u64,
    /// When this VIP's records would have come if each had waited for its turn.
    pub due_ns: u64,
}

impl VipValue {
    /// Bits of a claim that are its Ethernet address.
    const MAC: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);

    /// A claim as one word: Ethernet address, one of [`crate::announced`], whether this node sent it.
    #[inline(always)]
    #[must_use]
    pub const fn claim(mac: [u8; 6], how: u8, outbound: bool) -> u64 {
        u64::from_ne_bytes([mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], how, outbound as u8])
    }

    /// The parts of a claim.
    #[inline(always)]
    #[must_use]
    pub const fn parts(claim: u64) -> ([u8; 6], u8, bool) {
        let [a, b, c, d, e, f, how, outbound] = claim.to_ne_bytes();
        ([a, b, c, d, e, f], how, outbound != 0)
    }

    /// Whether two claims are by the same Ethernet address.
    #[inline(always)]
    #[must_use]
    pub const fn same_host(one: u64, other: u64) -> bool {
        (one ^ other) & Self::MAC == 0
    }
}

const _: () = assert!(size_of::<HeldReset>() == 48);
const _: () = assert!(size_of::<PairKey>() == 36);
const _: () = assert!(size_of::<Counters>() == 104);
const _: () = assert!(size_of::<ConnKey>() == 24);
const _: () = assert!(size_of::<ConnValue>() == 64);
const _: () = assert!(size_of::<FlowKey>() == 36);
const _: () = assert!(size_of::<FlowValue>() == 44);
const _: () = assert!(size_of::<DropKey>() == 40);
const _: () = assert!(size_of::<VipValue>() == 40);

#[cfg(feature = "user")]
mod pod {
    #![expect(unsafe_code, reason = "aya::Pod is an unsafe marker trait")]
    use super::{ConnKey, ConnValue, Counters, DropKey, FlowKey, FlowValue, HeldReset, PairKey, VipValue};

    macro_rules! pod {
        ($($t:ty),*) => {$(
            // SAFETY: repr(C), Copy, only integers and byte arrays, and the asserts above show that there is
            // no implicit padding.
            unsafe impl aya::Pod for $t {}
        )*};
    }
    pod!(PairKey, Counters, ConnKey, ConnValue, FlowKey, FlowValue, DropKey, VipValue, HeldReset);
}
