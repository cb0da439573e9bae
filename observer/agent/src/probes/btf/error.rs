//! The error of reading BTF.

use thiserror::Error;

/// The reason why the kernel's types can't be read.
#[derive(Debug, Error)]
pub enum BtfError {
    /// The kernel has no BTF, or it can't be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The magic number is missing, or of the other byte order.
    #[error("not BTF of this machine")]
    NotBtf,
    /// A section or a type ends too early.
    #[error("the BTF is truncated")]
    Truncated,
    /// A type is of a kind from a newer format. The types after it can't be found.
    #[error("BTF type {id} has the unknown kind {kind}")]
    UnknownKind {
        /// Its number in the format.
        kind: u32,
        /// Number of the type.
        id: usize,
    },
    /// Something that the programs use is not described.
    #[error(transparent)]
    Missing(#[from] Missing),
}

/// A type or member that the programs use and that is not described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the BTF has no {0}")]
pub struct Missing(pub &'static str);
