//! Keeps one copy of each name: ten thousand pods share a few hundred labels, namespaces and workloads.

use std::collections::HashSet;

use arcstr::ArcStr;
use parking_lot::Mutex;

static NAMES: Mutex<Option<Names>> = Mutex::new(None);

/// Names before the first search for those that are no longer used.
const FIRST_SWEEP: usize = 4_096;

#[derive(Debug)]
struct Names {
    known: HashSet<ArcStr>,
    sweep_at: usize,
}

/// Returns the shared copy of a text. It is for names that many objects have; an object's own name gains nothing by it.
pub(crate) fn shared(text: &str) -> ArcStr {
    NAMES.lock().get_or_insert_with(Names::new).shared(text)
}

impl Names {
    fn new() -> Self {
        Self { known: HashSet::new(), sweep_at: FIRST_SWEEP }
    }

    fn shared(&mut self, text: &str) -> ArcStr {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        if self.known.len() >= self.sweep_at {
            self.sweep();
        }
        let name = ArcStr::from(text);
        self.known.insert(name.clone());
        name
    }

    /// Forgets names that only this table holds, so that it grows with the names in use.
    fn sweep(&mut self) {
        self.known.retain(|name| ArcStr::strong_count(name) != Some(1));
        self.sweep_at = (self.known.len() * 2).max(FIRST_SWEEP);
    }
}

#[cfg(test)]
mod tests;
