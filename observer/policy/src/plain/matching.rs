//! Matching where facts may be missing.

use std::borrow::Cow;

/// Names the fact that is missing.
pub(crate) type Why = Cow<'static, str>;

/// States whether something matches, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    No,
    Maybe(Why),
}

impl Match {
    /// Matches where both match.
    pub(super) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match (self, other) {
            (Self::No, _) => Self::No,
            (Self::Yes, other) => other(),
            (Self::Maybe(why), other) => match other() {
                Self::No => Self::No,
                _ => Self::Maybe(why),
            },
        }
    }

    /// Matches where at least one matches.
    pub(super) fn any(all: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::No;
        for one in all {
            match one {
                Self::Yes => return Self::Yes,
                Self::Maybe(_) if found == Self::No => found = one,
                Self::Maybe(_) | Self::No => {}
            }
        }
        found
    }

    /// Matches where every one matches.
    pub(super) fn all(all: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::Yes;
        for one in all {
            match one {
                Self::No => return Self::No,
                Self::Maybe(_) if found == Self::Yes => found = one,
                Self::Maybe(_) | Self::Yes => {}
            }
        }
        found
    }
}

impl From<bool> for Match {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}
