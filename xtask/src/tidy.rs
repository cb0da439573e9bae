//! Rules that the compiler doesn't check.

mod attributes;
mod circles;
mod floors;
mod style;
#[cfg(test)]
mod testing;
mod text;
mod threats;

use std::path::Path;
use std::{fs, process};

use anyhow::{Result, bail};

use crate::run::{capture, report_error};

const REQUIRED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/SECURITY.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    ".ci/run",
];

/// Reports every problem, then fails if there was one.
///
/// # Errors
/// Fails when there are problems, and when a file or the packages can't be read.
pub(crate) fn run(root: &Path) -> Result<()> {
    let missing = REQUIRED.iter().filter(|file| !root.join(file).exists());
    let mut problems: Vec<String> = missing.map(|file| format!("{file} is missing")).collect();
    let mut sources = Vec::new();
    for file in tracked(root)? {
        // Binary files and deleted ones have no lines to check.
        if let Ok(text) = fs::read_to_string(root.join(&file)) {
            problems.extend(style::check(&file, &text));
            problems.extend(text::check(&file, &text));
            if Path::new(&file).extension().is_some_and(|extension| extension == "rs") {
                sources.push(text);
            }
        }
    }
    // That it is missing is told above.
    let page = fs::read_to_string(root.join(threats::FILE)).unwrap_or_default();
    problems.extend(threats::check(&page, sources.iter().map(String::as_str)));
    problems.extend(floors::check(root)?);
    problems.extend(circles::check(root)?);
    problems.iter().for_each(|problem| report_error(problem));
    if !problems.is_empty() {
        bail!("tidy: {} problems", problems.len());
    }
    Ok(())
}

/// Returns the files that git knows or would add.
fn tracked(root: &Path) -> Result<Vec<String>> {
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = capture(process::Command::new("git").current_dir(root).args(args))?;
    Ok(listed.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect())
}
