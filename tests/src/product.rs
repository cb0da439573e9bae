//! Runs the product's other commands inside a node.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::agent;
use crate::netns::Netns;

/// The exit code and output of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `flow-observer ARGS` inside `ns`.
///
/// # Errors
/// Fails when the command can't be started. A failure of the command is no error.
pub fn run(ns: &Netns, args: &[&str]) -> Result<Answer> {
    let binary = agent::binary()?;
    let mut command = Command::new(&binary);
    command.args(args).stdin(Stdio::null());
    let output = ns.run(|| command.output()).with_context(|| format!("start {}", binary.display()))?;
    Ok(Answer {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
