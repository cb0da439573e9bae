//! Enumerations that are stored as one byte, in map values and in ring records.
//!
//! Map values keep the raw byte, because map memory may be read as any bytes. Ring records hold the enumeration itself:
//! the decoder refuses a byte that stands for no value.

/// Defines an enumeration of named bytes. `strum` has a derive for this, but it would have to be built for the kernel's
/// target as well.
macro_rules! byte_enum {
    ($(
        $(#[$doc:meta])*
        pub enum $name:ident { $($(#[$value_doc:meta])* $value:ident = $byte:literal,)* }
    )*) => {$(
        $(#[$doc])*
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$value_doc])* $value = $byte,)* }

        impl $name {
            /// Holds every value, in the order of their bytes.
            pub const ALL: &'static [Self] = &[$(Self::$value),*];

            /// Returns the value that a byte stands for, if any.
            #[inline(always)]
            #[must_use]
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($byte => Some(Self::$value),)*
                    _ => None,
                }
            }

            /// Returns the byte that stands for this value.
            #[inline(always)]
            #[must_use]
            pub const fn byte(self) -> u8 {
                self as u8
            }
        }

        impl crate::decode::Field for $name {
            const SIZE: usize = 1;

            fn read(name: &'static str, reader: &mut crate::decode::Reader<'_>) -> Result<Self, crate::DecodeError> {
                let [value] = reader.take();
                Self::from_byte(value).ok_or(crate::DecodeError::UnknownValue { field: name, value })
            }
        }
    )*};
}
pub(crate) use byte_enum;

byte_enum! {
    /// The place on the node where a flow was seen.
    pub enum Vantage {
        /// The flow was leaving a local pod.
        Source = 0,
        /// The flow was arriving at a local pod that no local pod sent it to.
        Destination = 1,
        /// The flow was on an uplink only.
        Transit = 2,
    }

    /// The way in which an attempt ended. Until it has ended, [`crate::ConnValue::PENDING`] stands in the map.
    pub enum Outcome {
        /// A SYN-ACK answered.
        Established = 1,
        /// A RST answered the SYN.
        Refused = 2,
        /// An ICMP error quoted the SYN.
        Rejected = 3,
        /// Nothing answered in time, or the same port sent another SYN meanwhile.
        Unanswered = 4,
    }

    /// The side that sent a RST.
    pub enum Side {
        /// The side that opened the connection.
        Client = 0,
        /// The side that accepted it.
        Server = 1,
    }

    /// The phase that a connection had reached when a RST ended it.
    pub enum Phase {
        /// The handshake was not complete.
        Handshake = 0,
        /// The handshake was seen, or the conntrack dump at the agent's start listed the flow.
        Established = 1,
        /// This node never saw the SYN.
        Orphan = 2,
    }

    /// The kind of frame in which a host claimed an address.
    pub enum Announced {
        /// ARP request whose sender and target address are the same.
        GratuitousRequest = 0,
        /// ARP reply whose sender and target address are the same.
        GratuitousReply = 1,
        /// Any other ARP request or reply.
        Arp = 2,
        /// IPv6 neighbour advertisement.
        Advertisement = 3,
    }
}
