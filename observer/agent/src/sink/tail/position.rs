//! A reader's place as a text, which a client sends back to continue.

use std::fmt;
use std::str::FromStr;

use crate::sink::tail::ring::Cursor;

/// A place in the tail of one run of one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub(super) instance: u64,
    pub(super) cursor: Cursor,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.cursor.0.map(|place| place.to_string());
        write!(f, "{:016x}-{}", self.instance, places.join("."))
    }
}

impl FromStr for Position {
    type Err = String;

    /// Reads positions of agents with other kinds, too: theirs is another run.
    fn from_str(s: &str) -> Result<Self, String> {
        let read = || {
            let (instance, places) = s.split_once('-')?;
            let mut cursor = Cursor::default();
            let mut kinds = cursor.0.iter_mut();
            for place in places.split('.') {
                let place = place.parse().ok()?;
                if let Some(of_kind) = kinds.next() {
                    *of_kind = place;
                }
            }
            Some(Self { instance: u64::from_str_radix(instance, 16).ok()?, cursor })
        };
        read().ok_or_else(|| format!("`{s}` is not a position of the tail"))
    }
}
