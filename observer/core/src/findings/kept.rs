//! What the next agent takes over.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::findings::Findings;
use crate::findings::entry::Entry;
use crate::findings::episode::Number;
use crate::subject::FindingKey;

/// Findings as the agent that ends writes them.
#[derive(Serialize)]
struct Keeping<'a> {
    entries: Vec<(&'a FindingKey, &'a Entry)>,
    floor: Number,
}

/// Findings as the next agent reads them.
#[derive(Debug, Deserialize)]
pub struct KeptFindings {
    entries: Vec<(FindingKey, Entry)>,
    floor: Number,
}

impl Findings {
    /// Returns what the next agent has to know, to be serialised.
    pub fn keep(&self) -> impl Serialize {
        Keeping { entries: self.entries.iter().collect(), floor: self.floor }
    }

    /// Goes on with the findings of the agent before. They count as reported, and what a detector has reported may be missing
    /// from its reports for a while.
    pub fn restore(&mut self, kept: KeptFindings, now: Timestamp) {
        self.floor = self.floor.max(kept.floor);
        for (key, mut entry) in kept.entries.into_iter().take(self.config.max) {
            entry.take_over(now);
            self.entries.insert(key, entry);
        }
    }
}
