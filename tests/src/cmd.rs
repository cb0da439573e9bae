//! Runs the system's tools; errors hold their output.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command line (split at white space, no quoting) and returns its standard output.
///
/// # Errors
/// Fails when the tool is missing or fails; the message holds its standard error.
pub fn run(line: impl AsRef<str>) -> Result<String> {
    feed(line, "")
}

/// Like [`run`], with standard input.
///
/// # Errors
/// Fails as [`run`] does.
pub fn feed(line: impl AsRef<str>, input: &str) -> Result<String> {
    let line = line.as_ref();
    let output = spawn_and_feed(line, input).with_context(|| format!("`{line}`"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let input = if input.is_empty() { String::new() } else { format!("\ninput:\n{input}") };
        bail!("`{line}`: {}: {}{input}", output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a clean-up step. Its failure is ignored, because the object may be gone already.
pub fn try_run(line: impl AsRef<str>) {
    drop(run(line));
}

fn spawn_and_feed(line: &str, input: &str) -> Result<Output> {
    let mut words = line.split_whitespace();
    let program = words.next().context("empty command line")?;
    let mut child = Command::new(program)
        .args(words)
        // This process handles Ctrl-C, not the `ip` that is removing a namespace.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that fails at once closes its end; its status is more useful than EPIPE.
        drop(stdin.write_all(input.as_bytes()));
    }
    Ok(child.wait_with_output()?)
}

#[cfg(test)]
mod tests;
