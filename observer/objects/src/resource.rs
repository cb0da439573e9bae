//! The resources that an API server is asked for.

use std::fmt;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::policies::BrokenPolicy;
use strum::IntoEnumIterator as _;

use crate::kinds::{Content, Kind, Presence, Purpose};
use crate::policy;

pub use crate::policy::foreign::ForeignKind;

/// Objects of a kind whose content is read, or policies of another project, which aren't judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// A kind of the table of kinds.
    Known(Kind),
    /// A kind of policies that aren't judged. Where the server has one, no verdict on the pods that it may select is certain.
    Foreign(ForeignKind),
}

impl Resource {
    /// Returns all of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Kind::iter().map(Self::Known).chain(ForeignKind::all().map(Self::Foreign))
    }

    /// Returns the name as it is counted. It is the `kind` label of metrics as well.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Known(kind) => kind.name(),
            Self::Foreign(kind) => kind.name(),
        }
    }

    /// Returns `kind` of its objects.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Known(kind) => kind.name(),
            Self::Foreign(kind) => kind.kind(),
        }
    }

    /// Returns the API group; empty for the core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::Known(kind) => kind.row().group,
            Self::Foreign(kind) => kind.group(),
        }
    }

    /// Returns the resource's name in paths and in permissions.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Known(kind) => kind.row().plural,
            Self::Foreign(kind) => kind.plural(),
        }
    }

    /// Returns whether a server must have it.
    #[must_use]
    pub fn presence(self) -> Presence {
        match self {
            Self::Known(kind) => kind.row().presence,
            Self::Foreign(_) => Presence::Optional,
        }
    }

    /// Returns the part of each object that is asked for.
    #[must_use]
    pub fn content(self) -> Content {
        match self {
            Self::Known(kind) => kind.row().content,
            Self::Foreign(_) => Content::Whole,
        }
    }

    /// Returns the field selector by which the server leaves out objects.
    #[must_use]
    pub fn field_selector(self) -> Option<&'static str> {
        match self {
            Self::Known(kind) => kind.row().field_selector,
            Self::Foreign(_) => None,
        }
    }

    /// Returns the purpose for which it is read.
    #[must_use]
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Known(kind) => kind.row().purpose,
            Self::Foreign(_) => Purpose::Policies,
        }
    }

    /// Returns what stands for all its policies while none can be read. It is `None` for what is no policy.
    pub(crate) fn missing(self, why: &ArcStr) -> Option<Arc<BrokenPolicy>> {
        match self {
            Self::Known(kind) => policy::missing(kind, why),
            Self::Foreign(kind) => Some(Arc::new(kind.missing(why))),
        }
    }
}

impl From<Kind> for Resource {
    fn from(kind: Kind) -> Self {
        Self::Known(kind)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
