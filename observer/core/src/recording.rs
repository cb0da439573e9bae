//! Recordings: the engine's inputs in a file, so that a node's story can be told again without the node.
//!
//! A recording is a run of gzip members, so `zcat` opens it. The first holds [`MAGIC`], the format version
//! (u32, little-endian) and a length-prefixed JSON [`Header`]; each later one holds entries, each a u32
//! little-endian length and the JSON of `[time, input]`.
//!
//! Members are written whole, and read whole: an entry is handed out only once the CRC of its member has
//! been checked. What a reader yields is therefore always a prefix of what was written, however the file
//! was damaged; a crash costs the entries since the last flush.

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

/// First bytes of the first member.
pub const MAGIC: &[u8; 8] = b"FLOWOBS\n";

/// The version written, and the newest that is read.
pub const VERSION: u32 = 1;

/// Most bytes of one member before compression. A damaged file can make a reader allocate no more.
pub const MAX_MEMBER: usize = 64 << 20;

/// What a recording says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The node whose kernel was watched.
    pub node: ArcStr,
    /// When recording began.
    pub started: Timestamp,
    /// Version of the agent that wrote it.
    pub agent: ArcStr,
}
