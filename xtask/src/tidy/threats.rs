//! Checks that the tests exist which docs/SECURITY.md names beside each threat.

use std::collections::BTreeSet;

/// The file that names tests.
pub(super) const FILE: &str = "docs/SECURITY.md";

/// Returns a problem for each test that no Rust file has. `sources` are the texts of all Rust files.
pub(super) fn check<'a>(page: &str, sources: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut named = named(page);
    for source in sources {
        named.retain(|name| !source.contains(&format!("fn {name}(")));
    }
    named.into_iter().map(|name| format!("{FILE} names a test that isn't there: {name}")).collect()
}

/// Returns what has the form of a test's name: several words joined by underscores, in backquotes.
fn named(page: &str) -> BTreeSet<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    let is_name = |text: &&str| {
        text.matches('_').count() >= 2 && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    quoted.filter(is_name).collect()
}

#[cfg(test)]
mod tests;
