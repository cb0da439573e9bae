//! Ring bytes to [`Record`], without `unsafe` and without trust.

use crate::{AnnouncementRecord, AttemptRecord, DropRecord, Header, Record, ResetRecord, Tuple, kind};

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Fewer bytes than the kind needs.
    Short {
        /// Bytes needed.
        need: usize,
        /// Bytes given.
        got: usize,
    },
    /// A kind this build does not know.
    UnknownKind(u8),
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Short { need, got } => write!(f, "record of {got} bytes, {need} needed"),
            Self::UnknownKind(kind) => write!(f, "unknown record kind {kind}"),
        }
    }
}

impl core::error::Error for DecodeError {}

impl Record {
    /// Decodes one ring record. Bytes past the record are ignored (the ring rounds up to 8).
    ///
    /// # Errors
    /// When the bytes are too few or the kind is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let kind = *bytes.first().ok_or(DecodeError::Short { need: 1, got: 0 })?;
        let size = match kind {
            kind::ATTEMPT => size_of::<AttemptRecord>(),
            kind::RESET => size_of::<ResetRecord>(),
            kind::DROP => size_of::<DropRecord>(),
            kind::ANNOUNCEMENT => size_of::<AnnouncementRecord>(),
            other => return Err(DecodeError::UnknownKind(other)),
        };
        let bytes = bytes.get(..size).ok_or(DecodeError::Short { need: size, got: bytes.len() })?;
        let mut r = Reader(bytes);
        let header = r.header();
        Ok(match kind {
            kind::ATTEMPT => Self::Attempt(AttemptRecord {
                header,
                tuple: r.tuple(),
                first_ns: u64::from_ne_bytes(r.take()),
                isn: u32::from_ne_bytes(r.take()),
                syns: u32::from_ne_bytes(r.take()),
                drop_reason: u32::from_ne_bytes(r.take()),
                _pad: 0,
            }),
            kind::RESET => Self::Reset(ResetRecord { header, tuple: r.tuple() }),
            kind::DROP => Self::Drop(DropRecord {
                header,
                tuple: r.tuple(),
                reason: u32::from_ne_bytes(r.take()),
                seq: u32::from_ne_bytes(r.take()),
            }),
            _ => Self::Announcement(AnnouncementRecord {
                header,
                ip: r.take(),
                mac: r.take(),
                _pad: r.take(),
                ifindex: u32::from_ne_bytes(r.take()),
                _pad2: 0,
            }),
        })
    }
}

/// Reads fields off the front. The length was checked once; a read past the end yields zeros.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let n = N.min(self.0.len());
        let (head, tail) = self.0.split_at(n);
        out[..n].copy_from_slice(head);
        self.0 = tail;
        out
    }

    fn header(&mut self) -> Header {
        let [kind, vantage, a, b, c, _, _, _] = self.take::<8>();
        Header { kind, vantage, a, b, c, _pad: [0; 3], time_ns: u64::from_ne_bytes(self.take()) }
    }

    fn tuple(&mut self) -> Tuple {
        Tuple {
            src: self.take(),
            dst: self.take(),
            backend: self.take(),
            sport: u16::from_ne_bytes(self.take()),
            dport: u16::from_ne_bytes(self.take()),
            backend_port: u16::from_ne_bytes(self.take()),
            _pad: self.take(),
        }
    }
}
