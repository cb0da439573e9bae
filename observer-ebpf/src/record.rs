//! Records that go through the ring buffer. Each starts with a [`Header`].

/// First 16 bytes of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// One of [`crate::kind`].
    pub kind: u8,
    /// One of [`crate::vantage`].
    pub vantage: u8,
    /// Meaning depends on the kind: outcome, side or protocol.
    pub a: u8,
    /// Meaning depends on the kind: ICMP type or phase.
    pub b: u8,
    /// Meaning depends on the kind: ICMP code.
    pub c: u8,
    pub _pad: [u8; 3],
    /// `bpf_ktime_get_ns` when the record was made.
    pub time_ns: u64,
}

/// A flow's addresses, from the side that opened it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// Client address.
    pub src: [u8; 16],
    /// Server address as the client addressed it.
    pub dst: [u8; 16],
    /// Server address after DNAT, zero while unknown or the same.
    pub backend: [u8; 16],
    /// Client port.
    pub sport: u16,
    /// Server port as the client addressed it.
    pub dport: u16,
    /// Server port after DNAT, zero while unknown.
    pub backend_port: u16,
    pub _pad: [u8; 2],
}

/// An attempt whose outcome is known. `a` is the outcome, `b` and `c` the ICMP type and code of a reject.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    pub header: Header,
    pub tuple: Tuple,
    /// `bpf_ktime_get_ns` of the first SYN.
    pub first_ns: u64,
    /// Initial sequence number: with the source it joins the drops of this attempt.
    pub isn: u32,
    /// SYNs seen.
    pub syns: u32,
    /// Last drop reason plus one, 0 if none.
    pub drop_reason: u32,
    pub _pad: u32,
}

/// A RST. `a` is the side, `b` the phase.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetRecord {
    pub header: Header,
    pub tuple: Tuple,
}

/// A packet the kernel freed. `a` is the IP protocol, `b` the TCP flags, `c` is 1 if a flow or attempt gave the direction.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropRecord {
    pub header: Header,
    /// As the dropped packet named it: `dst` is after DNAT. `backend` is zero.
    pub tuple: Tuple,
    /// `enum skb_drop_reason`, or [`crate::REASON_NONE`].
    pub reason: u32,
    /// Sequence number of the dropped packet; for a SYN the key of its attempt.
    pub seq: u32,
}

/// A host claimed a known VIP. `a` is one of [`crate::announced`], `b` is 1 if this node sent it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnouncementRecord {
    pub header: Header,
    /// The VIP.
    pub ip: [u8; 16],
    /// Who claims it.
    pub mac: [u8; 6],
    pub _pad: [u8; 2],
    /// The uplink that the frame passed.
    pub ifindex: u32,
    pub _pad2: u32,
}

const _: () = assert!(size_of::<Header>() == 16);
const _: () = assert!(size_of::<Tuple>() == 56);
const _: () = assert!(size_of::<AttemptRecord>() == 96);
const _: () = assert!(size_of::<ResetRecord>() == 72);
const _: () = assert!(size_of::<DropRecord>() == 80);
const _: () = assert!(size_of::<AnnouncementRecord>() == 48);

/// A decoded ring record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    Attempt(AttemptRecord),
    Reset(ResetRecord),
    Drop(DropRecord),
    Announcement(AnnouncementRecord),
}

impl Record {
    /// What every kind starts with.
    #[must_use]
    pub fn header(&self) -> &Header {
        match self {
            Self::Attempt(record) => &record.header,
            Self::Reset(record) => &record.header,
            Self::Drop(record) => &record.header,
            Self::Announcement(record) => &record.header,
        }
    }
}
