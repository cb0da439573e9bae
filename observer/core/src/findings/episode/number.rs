//! Numbers of episodes, and the ids that follow from them.

use arcstr::ArcStr;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::subject::id_of;

/// The number of an episode: the minute in which it began, and its place among those that this node saw begin then.
///
/// A minute is long enough for nearly all nodes that see the same episode to give it the same number, although each learns
/// of it at a moment of its own. Where one sees it begin just after the minute, the ids differ, and whoever joins the
/// answers of several nodes has to look at the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::findings) struct Number {
    minute: i64,
    nth: u32,
}

impl Number {
    /// The number before all others.
    pub(in crate::findings) const MIN: Self = Self { minute: i64::MIN, nth: 0 };

    /// Returns the number of the first episode that begins then.
    pub(super) fn at(start: Timestamp) -> Self {
        Self { minute: start.as_second().div_euclid(60), nth: 0 }
    }

    /// Returns the number of the next episode. It is larger also where the clock was set back.
    pub(super) fn after(self, start: Timestamp) -> Self {
        Self::at(start).max(self.successor())
    }

    pub(in crate::findings) fn successor(self) -> Self {
        Self { nth: self.nth.saturating_add(1), ..self }
    }

    /// Returns the id of the episode of this subject.
    pub(super) fn id(self, subject: &str) -> ArcStr {
        id_of([subject, &self.minute.to_string(), &self.nth.to_string()].into_iter())
    }
}
