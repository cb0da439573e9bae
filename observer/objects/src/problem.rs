//! The problems that people have to fix: what could not be read.

use std::fmt;
use std::path::{Path, PathBuf};

use arcstr::ArcStr;
use flow_model::policies::BrokenPolicy;

use crate::document::{Broken, Repeated};
use crate::object::ObjectId;

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
    /// A file or a document could not be read or parsed, is left out, or is not rendered, so it may hold any policy.
    Unreadable,
    /// An object is there but can't be judged: a policy of a kind that isn't judged, or one that says two things. An empty
    /// text stands for an object without a name.
    Unjudged(ArcStr),
    /// Nothing that decides is missing: a directory is empty, a kind has another form, or what a file gave earlier is used.
    Files,
    /// A single object is left out, or is used without some of its values.
    Object,
    /// A policy could not be read as a whole. It is among the broken policies, too.
    Policy(ObjectId),
}

/// A remark about an object, and how much it affects.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) extent: Extent,
    pub(crate) message: String,
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

    /// A list that has a key twice, so that its first items may be lost.
    pub(crate) fn of_list(file: &Path, line: usize, repeated: &Repeated) -> Self {
        Self { file: file.to_owned(), line, extent: Extent::Unreadable, message: repeated.within(0) }
    }

    /// A remark about an object.
    pub(crate) fn of_note(file: &Path, line: usize, Note { extent, message }: Note) -> Self {
        Self { file: file.to_owned(), line, extent, message }
    }
}

impl Problem {
    /// Is true when verdicts may depend on what it names.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.extent {
            Extent::Unreadable | Extent::Unjudged(_) | Extent::Policy(_) => true,
            Extent::Files | Extent::Object => false,
        }
    }

    /// Is true when everything could be read, but not be judged.
    pub(crate) fn is_unjudged(&self) -> bool {
        matches!(self.extent, Extent::Unjudged(_))
    }

    /// Returns what stands for the policies that may be in a document that can't be read. They may concern every pod.
    pub(crate) fn hidden_policy(&self) -> Option<BrokenPolicy> {
        if self.extent != Extent::Unreadable {
            return None;
        }
        let name = match self.line {
            0 => arcstr::format!("{}", self.file.display()),
            line => arcstr::format!("{}:{line}", self.file.display()),
        };
        Some(BrokenPolicy::in_document(name, &self.message))
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
