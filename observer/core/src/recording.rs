//! Recordings: the engine's inputs in a file, so that what happened on a node can be replayed elsewhere.
//!
//! A recording is a sequence of gzip members, so `zcat` opens it. The first holds [`MAGIC`], the format version (u32,
//! little-endian) and a length-prefixed JSON [`Header`]. Each later one holds entries. An entry is a u32 little-endian
//! length and the JSON of `[time, input]`.
//!
//! Members are written and read as a whole: the reader returns an entry only once it has checked the CRC of its member.
//! So a reader always returns a prefix of what was written, however the file was damaged. A crash loses the entries
//! since the last flush.
//!
//! A change of the inputs that old recordings can't express takes a new [`VERSION`]. A new field takes a serde default
//! instead, so that old recordings replay: `testdata/` holds some of each version.

mod error;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

use arcstr::ArcStr;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use error::RecordingError;
pub use reader::Reader;
pub use writer::{WriteError, Writer};

/// Begins the first member and identifies the format.
pub const MAGIC: &[u8; 8] = b"FLOWOBS\n";

/// The version that is written, and the newest that is read.
pub const VERSION: u32 = 1;

/// The most bytes of one member before compression. The bound keeps a damaged file from making a reader allocate more.
pub const MAX_MEMBER: usize = 64 << 20;

/// Describes a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The node whose kernel was watched.
    pub node: ArcStr,
    /// The time at which the recording began.
    pub started: Timestamp,
    /// The version of the agent that wrote the recording.
    pub agent: ArcStr,
}
