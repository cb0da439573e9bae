//! Where and why a recording ends early.

use std::io;

use crate::recording::VERSION;

/// Why reading stopped. Offsets are bytes into the (compressed) file.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Another kind of file.
    #[error("not a Flow Observer recording")]
    NotARecording,
    /// Written by a later agent.
    #[error("recording format {found} is newer than this agent reads ({VERSION}): use a newer flow-observer")]
    NewerVersion {
        /// The file's version.
        found: u32,
    },
    /// The file ends inside a member.
    #[error("the recording is truncated at byte {offset}, after {entries} entries")]
    Truncated {
        /// Where the file ends.
        offset: u64,
        /// Entries read before.
        entries: u64,
    },
    /// A member does not decompress, fails its checksum or holds no valid entry.
    #[error("the recording is corrupt in the block at byte {offset}, after {entries} entries: {why}")]
    Corrupt {
        /// Where the damaged member begins.
        offset: u64,
        /// Entries read before.
        entries: u64,
        /// What was wrong.
        why: String,
    },
    /// The file could not be read.
    #[error("reading the recording failed at byte {offset}, after {entries} entries: {source}")]
    Io {
        /// Where reading stopped.
        offset: u64,
        /// Entries read before.
        entries: u64,
        /// The system's word.
        source: io::Error,
    },
}
