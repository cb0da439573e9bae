//! Keys that one object has twice.

use std::fmt;

/// A key that one object has twice. kubectl keeps the last value without a word, and other tools refuse the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repeated {
    /// The keys and indexes that lead to the object.
    pub(crate) path: Vec<String>,
    pub(crate) key: String,
    /// The lines of both; `None` where they aren't known.
    pub(crate) lines: Option<(usize, usize)>,
    /// Is true when a merge key (`<<`) sets it again, which kubectl and other tools read differently.
    pub(crate) merged: bool,
}

impl Repeated {
    /// Is true for the keys that every object has once, at the object whose path has this length. With two of them a
    /// document holds two objects.
    pub(crate) fn hides_an_object(&self, depth: usize) -> bool {
        self.path.len() == depth && !self.merged && matches!(&*self.key, "apiVersion" | "kind" | "metadata")
    }

    /// Describes it as seen from the object whose path has this length.
    pub(crate) fn within(&self, depth: usize) -> String {
        let path: String = self.path.iter().skip(depth).map(|step| format!("{step}.")).collect();
        format!("{path}{self}")
    }
}

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, lines, merged, .. } = self;
        let key = crate::text::shortened(key);
        match (merged, lines) {
            (false, None) => write!(f, "{key}: is set twice, and only the last counts"),
            (false, Some((first, again))) => {
                write!(f, "{key}: is set twice, on lines {first} and {again}, and only the last counts")
            }
            (true, lines) => {
                let (first, again) = lines.unwrap_or_default();
                write!(
                    f,
                    "{key}: is set on line {first}, and again by `<<` on line {again}: kubectl takes the second \
                     value, other tools the first"
                )
            }
        }
    }
}
