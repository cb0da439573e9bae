//! The binaries that run in the guests.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::say;

/// The agent and the lab's core tests, built for this machine.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) agent: PathBuf,
    pub(super) tests: PathBuf,
    pub(super) filter: Option<String>,
}

impl Payload {
    /// Builds both.
    pub(super) fn build(workspace: &Path, filter: Option<String>) -> Result<Self> {
        say("building the agent and the tests");
        let agent = executable(workspace, "flow-observer", &["build", "-p", "observer"])?;
        let tests = executable(workspace, "core", &["test", "-p", "lab", "--test", "core", "--no-run"])?;
        Ok(Self { agent, tests, filter })
    }
}

fn executable(workspace: &Path, target: &str, args: &[&str]) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(args)
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace)
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo")?;
    ensure!(built.status.success(), "cargo {}: {}", args.join(" "), built.status);
    let messages = String::from_utf8_lossy(&built.stdout);
    find(&messages, target).with_context(|| format!("cargo {} built no {target}", args.join(" ")))
}

fn find(messages: &str, target: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut ours = messages.filter(|message| message["target"]["name"] == target);
    ours.find_map(|message| Some(message["executable"].as_str()?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_in_cargos_messages() {
        let messages = "Compiling\n{\"target\":{\"name\":\"core\"},\"executable\":null}\n\
            {\"target\":{\"name\":\"lab\"},\"executable\":\"/t/lab\"}\n\
            {\"target\":{\"name\":\"core\"},\"executable\":\"/t/core-1\"}\n";
        assert_eq!(find(messages, "core"), Some("/t/core-1".into()));
        assert_eq!(find(messages, "other"), None);
    }
}
