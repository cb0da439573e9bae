//! One copy of each name: ten thousand pods share a few hundred labels, namespaces and workloads.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use arcstr::ArcStr;

static NAMES: Mutex<Option<Names>> = Mutex::new(None);

/// Names before the first look for those that nobody uses any more.
const FIRST_SWEEP: usize = 4_096;

#[derive(Debug)]
struct Names {
    known: HashSet<ArcStr>,
    sweep_at: usize,
}

/// The shared copy of a text. For names that many objects have; one that is an object's own gains nothing by it.
pub(super) fn shared(text: &str) -> ArcStr {
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.get_or_insert_with(Names::new).shared(text)
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

    /// Forgets what only this table holds. It grows with what is in use, not with what ever was.
    fn sweep(&mut self) {
        self.known.retain(|name| ArcStr::strong_count(name) != Some(1));
        self.sweep_at = (self.known.len() * 2).max(FIRST_SWEEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_copy() {
        let text = String::from("a-name-of-this-test");
        assert!(ArcStr::ptr_eq(&shared("a-name-of-this-test"), &shared(&text)));
    }

    #[test]
    fn names_that_nobody_uses_are_forgotten() {
        let mut names = Names::new();
        let kept: Vec<_> = (0..10).map(|n| names.shared(&format!("kept-{n}"))).collect();
        for n in 0..3 * FIRST_SWEEP {
            names.shared(&format!("gone-{n}"));
        }
        assert!(names.known.len() <= FIRST_SWEEP, "{}", names.known.len());
        assert!(kept.iter().all(|name| names.known.contains(name)));
    }
}
