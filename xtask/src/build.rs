//! Builds everything that the tests run, at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::progress::Progress;
use crate::run::cargo;

/// Chooses the packages, and with them the features of their dependencies. Every command must make the same choice:
/// another one would build most dependencies, and the agent, again.
pub(crate) const PACKAGES: [&str; 2] = ["--locked", "--workspace"];

/// The manifest of the lab, whose tests need root and run one at a time.
const LAB: &str = "tests/Cargo.toml";

/// Holds the executables of the development profile.
#[derive(Debug)]
pub(crate) struct Built(Vec<Artifact>);

#[derive(Debug)]
struct Artifact {
    target: String,
    executable: PathBuf,
    kind: Kind,
}

#[derive(Debug, PartialEq)]
enum Kind {
    /// An integration test of the lab.
    Scenario,
    /// An integration test of another crate.
    UnitTest,
    /// A program, or the tests inside a library.
    Other,
}

impl Kind {
    fn read(message: &Value) -> Option<Self> {
        let is_test = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "test");
        let is_lab = Path::new(message["manifest_path"].as_str()?).ends_with(LAB);
        Some(match (is_test, is_lab) {
            (true, true) => Self::Scenario,
            (true, false) => Self::UnitTest,
            (false, _) => Self::Other,
        })
    }
}

impl Built {
    /// Builds the agent and all tests.
    ///
    /// # Errors
    /// Fails when the agent or a test can't be built.
    pub(crate) fn all(root: &Path) -> Result<Self> {
        Progress::during(&root.join("target/setup"), |progress| Self::beside(root, progress))
    }

    /// Builds the same beside other work.
    ///
    /// # Errors
    /// Fails when the agent or a test can't be built.
    pub(crate) fn beside(root: &Path, progress: &Progress) -> Result<Self> {
        let targets = ["--lib", "--tests", "--bin", "flow-observer"];
        let mut build = cargo(root, &["build"]);
        build.args(PACKAGES).args(targets).arg("--message-format=json-render-diagnostics");
        let messages = progress.build("agent and tests", &mut build)?;
        Ok(Self::read(&String::from_utf8_lossy(&messages)))
    }

    fn read(messages: &str) -> Self {
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let built = |message: Value| {
            let target = message["target"]["name"].as_str()?.to_owned();
            let executable = message["executable"].as_str()?.into();
            Some(Artifact { target, executable, kind: Kind::read(&message)? })
        };
        Self(messages.filter_map(built).collect())
    }

    /// Returns the executable of a target.
    ///
    /// # Errors
    /// Fails when there is no target of this name.
    pub(crate) fn executable(&self, target: &str) -> Result<&Path> {
        let found = self.0.iter().find(|built| built.target == target);
        Ok(&found.with_context(|| format!("cargo built no {target}"))?.executable)
    }

    /// Returns the names of the lab's integration tests.
    pub(crate) fn scenarios(&self) -> BTreeSet<&str> {
        self.of(&Kind::Scenario)
    }

    /// Returns the names of the other crates' integration tests, which need no lab.
    pub(crate) fn unit_tests(&self) -> BTreeSet<&str> {
        self.of(&Kind::UnitTest)
    }

    fn of(&self, kind: &Kind) -> BTreeSet<&str> {
        self.0.iter().filter(|built| built.kind == *kind).map(|built| &*built.target).collect()
    }
}

#[cfg(test)]
mod tests;
