//! Checks where modules lie: `foo.rs` beside `foo/`, and tests in `foo/tests.rs`.

/// Returns a problem when a file's name or place breaks the style.
pub(super) fn check(file: &str) -> Option<String> {
    let (folder, name) = file.rsplit_once('/')?;
    (name == "mod.rs").then(|| format!("{file}: a module's own file is {folder}.rs"))
}

#[cfg(test)]
mod tests;
