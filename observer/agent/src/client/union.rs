//! What several agents know together.

/// Returns the values of both lists, sorted and each once.
pub(super) fn union<T: Ord>(mut a: Vec<T>, b: Vec<T>) -> Vec<T> {
    a.extend(b);
    a.sort();
    a.dedup();
    a
}
