//! What the tests run: everything is built at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::run::cargo;

/// Chooses the packages, and so the features of their dependencies: another choice would build most of them, and the
/// agent, again.
pub(crate) const PACKAGES: [&str; 2] = ["--locked", "--workspace"];

/// Executables of the development profile, by the name of their target.
#[derive(Debug)]
pub(crate) struct Built(Vec<Artifact>);

#[derive(Debug)]
struct Artifact {
    target: String,
    executable: PathBuf,
    /// An integration test.
    is_test: bool,
}

impl Built {
    /// Builds the agent and all tests.
    ///
    /// # Errors
    /// When they can't be built.
    pub(crate) fn all(root: &Path) -> Result<Self> {
        let targets = ["--lib", "--tests", "--bin", "flow-observer"];
        let mut build = cargo(root, &["build"]);
        build.args(PACKAGES).args(targets).arg("--message-format=json-render-diagnostics");
        let out = build.stderr(Stdio::inherit()).output().context("run cargo")?;
        ensure!(out.status.success(), "cargo build: {}", out.status);
        Ok(Self::read(&String::from_utf8_lossy(&out.stdout)))
    }

    fn read(messages: &str) -> Self {
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let built = |message: Value| {
            let target = &message["target"];
            let is_test = target["kind"].as_array()?.iter().any(|kind| kind == "test");
            let executable = message["executable"].as_str()?.into();
            Some(Artifact { target: target["name"].as_str()?.to_owned(), executable, is_test })
        };
        Self(messages.filter_map(built).collect())
    }

    /// The one of this target.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn executable(&self, target: &str) -> Result<&Path> {
        let found = self.0.iter().find(|built| built.target == target);
        Ok(&found.with_context(|| format!("cargo built no {target}"))?.executable)
    }

    /// The integration tests, by name.
    pub(crate) fn tests(&self) -> BTreeSet<&str> {
        self.0.iter().filter(|built| built.is_test).map(|built| &*built.target).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_in_cargos_messages() {
        let built = Built::read(
            "Compiling\n{\"target\":{\"name\":\"core\",\"kind\":[\"test\"]},\"executable\":null}\n\
             {\"target\":{\"name\":\"lab\",\"kind\":[\"lib\"]},\"executable\":\"/t/lab\"}\n\
             {\"target\":{\"name\":\"core\",\"kind\":[\"test\"]},\"executable\":\"/t/core-1\"}\n",
        );
        assert_eq!(built.executable("core").unwrap(), Path::new("/t/core-1"));
        assert!(built.executable("other").is_err());
        assert_eq!(built.tests(), ["core"].into());
    }
}
