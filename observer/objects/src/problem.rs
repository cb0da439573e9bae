//! The problems that people have to fix: what could not be read.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::document::Broken;
use crate::object::{Object, ObjectId};

/// A document or an object that is left out, or a value in it that is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// The file or directory, or the name of another source.
    pub file: PathBuf,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// The extent of what the problem affects.
    pub extent: Extent,
    /// The description of what is wrong.
    pub message: String,
}

/// The extent of what a problem affects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// A file or a document could not be read or parsed, so it may have held anything.
    Unreadable,
    /// Files or objects of a kind are left out, or what a file gave earlier is still used.
    Files,
    /// A single object is left out, or is used without some of its values.
    Object,
    /// A policy could not be read as a whole. It is among the broken policies, too.
    Policy(ObjectId),
}

impl Problem {
    /// A problem of a whole file or directory.
    #[must_use]
    pub fn of_file(file: &Path, extent: Extent, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, extent, message: message.into() }
    }

    /// A document that can't be parsed.
    pub(crate) fn of_document(file: &Path, broken: Broken) -> Self {
        let Broken { line, message } = broken;
        Self { file: file.to_owned(), line, extent: Extent::Unreadable, message }
    }
}

impl Extent {
    /// Returns the extent of the notes about an object; `None` is one that can't be used at all.
    pub(crate) fn of_notes(object: Option<&Object>) -> Self {
        match object.filter(|object| object.is_broken_policy()) {
            Some(policy) => Self::Policy(policy.id.clone()),
            None => Self::Object,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.message),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.message),
        }
    }
}
