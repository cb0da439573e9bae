//! The records that go through the ring buffer.
//!
//! Every record starts with its kind and has its time at byte 8. The bytes between hold what is one byte large. A new
//! kind is one more entry in [`records!`]: struct, decoder and size check follow from it.

use crate::decode::{DecodeError, Field, Reader, fields};
use crate::values::{Announced, Outcome, Phase, Side, Vantage, byte_enum};

fields! {
    /// A flow's addresses, from the side that opened it.
    pub struct Tuple of 56 bytes {
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
}

macro_rules! records {
    ($(
        $(#[$doc:meta])*
        $kind:ident = $byte:literal, struct $record:ident of $size:literal bytes {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
        }
    )*) => {
        byte_enum! {
            /// Kinds of ring record, the first byte of each.
            pub enum Kind { $($(#[$doc])* $kind = $byte,)* }
        }

        fields! {$(
            $(#[$doc])*
            pub struct $record of $size bytes {
                /// The kind of this record.
                pub kind: Kind,
                $($(#[$field_doc])* pub $field: $type,)*
            }
        )*}

        $(const _: () = assert!(core::mem::offset_of!($record, time_ns) == 8);)*

        /// A decoded ring record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Record { $($(#[$doc])* $kind($record),)* }

        impl Record {
            /// Decodes one ring record. Bytes past the record are ignored: the ring rounds sizes up to 8.
            ///
            /// # Errors
            /// Fails when the bytes are too few, the kind is unknown, or a field has a byte that stands for no value.
            pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                let kind = *bytes.first().ok_or(DecodeError::Short { need: 1, got: 0 })?;
                Ok(match Kind::from_byte(kind).ok_or(DecodeError::UnknownKind(kind))? {
                    $(Kind::$kind => {
                        Self::$kind(Field::read("", &mut Reader::new(bytes, size_of::<$record>())?)?)
                    })*
                })
            }

            /// Returns `bpf_ktime_get_ns` at which the record was made.
            #[must_use]
            pub const fn time_ns(&self) -> u64 {
                match self { $(Self::$kind(record) => record.time_ns,)* }
            }

            /// Returns the size of a kind's records, bytes.
            #[must_use]
            pub const fn size(kind: Kind) -> usize {
                match kind { $(Kind::$kind => size_of::<$record>(),)* }
            }
        }
    };
}

records! {
    /// An attempt whose outcome is known.
    Attempt = 1, struct AttemptRecord of 104 bytes {
        /// The vantage at which the SYN was seen first.
        vantage: Vantage,
        outcome: Outcome,
        /// ICMP or ICMPv6 type of the error that rejected it, else 0.
        icmp_type: u8,
        /// Its code.
        icmp_code: u8,
        /// Bits, see [`crate::ConnValue`].
        flags: u8,
        _pad: [u8; 2],
        time_ns: u64,
        tuple: Tuple,
        /// `bpf_ktime_get_ns` of the first SYN.
        first_ns: u64,
        /// Initial sequence number: with the source it joins the drops of this attempt.
        isn: u32,
        /// SYNs seen.
        syns: u32,
        /// Last drop reason plus one, 0 if there was no drop.
        drop_reason: u32,
        _pad2: [u8; 4],
        /// The [`crate::mark`] of the RST that refused it, 0 for other outcomes.
        mark: u64,
    }

    /// A RST.
    Reset = 2, struct ResetRecord of 88 bytes {
        /// The vantage at which its connection is counted.
        vantage: Vantage,
        /// The side that sent it.
        side: Side,
        phase: Phase,
        /// The interface by which it came to this node, 0 if the node or a pod of it made it.
        entered: u32,
        time_ns: u64,
        tuple: Tuple,
        /// Its [`crate::mark`].
        mark: u64,
        /// Bits, named by the constants of this type.
        flags: u64,
    }

    /// A packet that the kernel freed.
    Drop = 3, struct DropRecord of 80 bytes {
        /// IP protocol number.
        protocol: u8,
        tcp_flags: u8,
        /// Is true if a flow or an attempt gave the direction, false if it is a guess from the ports.
        oriented: bool,
        _pad: [u8; 4],
        time_ns: u64,
        /// Addresses as the dropped packet has them: `dst` is after DNAT, and `backend` is zero.
        tuple: Tuple,
        /// `enum skb_drop_reason`, or [`crate::REASON_NONE`].
        reason: u32,
        /// Sequence number of the dropped packet; for a SYN the key of its attempt.
        seq: u32,
    }

    /// A host's claim of a known VIP.
    Announcement = 4, struct AnnouncementRecord of 40 bytes {
        /// The kind of frame.
        how: Announced,
        /// Is true if this node sent it.
        outbound: bool,
        _pad: [u8; 5],
        /// The time of the claim, which the map has as well.
        time_ns: u64,
        /// The VIP.
        ip: [u8; 16],
        /// The Ethernet address that claims it.
        mac: [u8; 6],
        _pad2: [u8; 2],
    }
}

impl ResetRecord {
    /// A pod addressed it to the backend of a connection that it opened to another address. It answers a packet of the server
    /// to which NAT did not give that address back.
    pub const TO_BACKEND: u64 = 1;
}
