//! Matching where facts may be missing, without their names.

/// Orders the values so that the lesser of two means "both", and the greater means "either".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    No,
    Maybe,
    Yes,
}

impl Truth {
    /// Returns whether at least one matches, and stops at the first that does.
    pub(super) fn any(all: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::No;
        for one in all {
            found = found.max(one);
            if found == Self::Yes {
                break;
            }
        }
        found
    }
}

impl From<bool> for Truth {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}
