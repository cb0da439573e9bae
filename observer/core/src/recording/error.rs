//! Errors of a recording that ends early.

use std::io;

use crate::recording::VERSION;

/// Names why reading stopped. Offsets are bytes into the (compressed) file.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file is of another kind.
    #[error("not a Flow Observer recording")]
    NotARecording,
    /// A later agent wrote the file.
    #[error(
        "the recording has format {found}, and this flow-observer reads formats up to {VERSION}; replay it with the version \
         that wrote it, or a newer one"
    )]
    NewerVersion {
        /// The file's version.
        found: u32,
    },
    /// The file ends inside a member.
    #[error("the recording is truncated at byte {offset}, after {entries} entries")]
    Truncated {
        /// The end of the file.
        offset: u64,
        /// The number of entries read before.
        entries: u64,
    },
    /// A member does not decompress, fails its checksum or holds no valid entry.
    #[error("the recording is corrupt in the block at byte {offset}, after {entries} entries: {why}")]
    Corrupt {
        /// The start of the damaged member.
        offset: u64,
        /// The number of entries read before.
        entries: u64,
        /// The description of what was wrong.
        why: String,
    },
    /// The file could not be read.
    #[error("reading the recording failed at byte {offset}, after {entries} entries: {source}")]
    Io {
        /// The position where reading stopped.
        offset: u64,
        /// The number of entries read before.
        entries: u64,
        /// The system's error.
        source: io::Error,
    },
}
