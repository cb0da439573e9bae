//! The binaries that run in the guests.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::print_line;
use crate::build::Built;

/// Holds the agent and the lab's core tests, built for this machine.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) agent: PathBuf,
    pub(super) tests: PathBuf,
    pub(super) filter: Option<String>,
}

impl Payload {
    /// Builds both.
    pub(super) fn build(workspace: &Path, filter: Option<String>) -> Result<Self> {
        print_line("building the agent and the tests");
        let built = Built::all(workspace)?;
        let (agent, tests) = (built.executable("flow-observer")?, built.executable("core")?);
        Ok(Self { agent: agent.to_owned(), tests: tests.to_owned(), filter })
    }
}
