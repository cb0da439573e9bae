//! Runs kubectl as users do.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::place::Place;
use crate::wait;

/// kubectl with a kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    place: Place,
    kubeconfig: PathBuf,
    dir: PathBuf,
}

impl Kubectl {
    /// Returns a kubectl whose cache is in `dir`. The cache must not be that of another server on the same port, since
    /// kubectl wouldn't notice.
    pub(super) fn new(program: PathBuf, place: &Place, kubeconfig: &Path, dir: &Path) -> Self {
        Self { program, place: place.clone(), kubeconfig: kubeconfig.to_owned(), dir: dir.to_owned() }
    }

    /// Returns the same with another kubeconfig.
    #[must_use]
    pub fn with(&self, kubeconfig: &Path) -> Self {
        Self { kubeconfig: kubeconfig.to_owned(), ..self.clone() }
    }

    /// Runs it and returns its output.
    ///
    /// # Errors
    /// Fails when kubectl fails; the error holds its output.
    pub fn run(&self, args: &[&str], stdin: Option<&str>) -> Result<String> {
        let mut command = self.command(args);
        command.stdin(self.input(stdin)?);
        let output = self.place.run(|| command.output()).context("start kubectl")?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("kubectl {}: {}", args.join(" "), errors.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Requests a path of the API.
    ///
    /// # Errors
    /// Fails as [`Self::run`] does, and when the answer is not JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        serde_json::from_str(&self.run(&["get", "--raw", path], None)?).context("an answer in JSON")
    }

    /// Follows a watch. Without `timeoutSeconds` in the path it never ends.
    ///
    /// # Errors
    /// Fails when kubectl can't be started.
    pub fn watch(&self, path: &str) -> Result<Watching> {
        let mut command = self.command(&["get", "--raw", path]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = self.place.run(|| command.spawn()).context("start kubectl")?;
        let output = child.stdout.take().context("kubectl without output")?;
        Ok(Watching::new(child, output))
    }

    /// Returns a command that inherits the terminal.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(&self.dir).args(args);
        command
    }

    /// Writes the input to a file, since a pipe would have to be filled while kubectl prints.
    fn input(&self, text: Option<&str>) -> Result<Stdio> {
        let Some(text) = text else { return Ok(Stdio::null()) };
        fs::create_dir_all(&self.dir)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(text.as_bytes())?;
        Ok(File::open(file.path())?.into())
    }
}

/// A running watch. Dropping it ends it.
#[derive(Debug)]
pub struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn new(child: Child, output: ChildStdout) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Returns the next event, or `None` at the end of the stream.
    ///
    /// # Errors
    /// Fails when no event arrives in time, or it is not JSON.
    pub fn next(&self) -> Result<Option<Value>> {
        match self.lines.recv_timeout(wait::DEADLINE) {
            Ok(line) => Ok(Some(serde_json::from_str(&line).context(line)?)),
            Err(mpsc::RecvTimeoutError::Disconnected) => Ok(None),
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("no event within {:?}", wait::DEADLINE),
        }
    }
}

impl Watching {
    /// Is true when every event was taken and the watch continues.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(self.lines.try_recv(), Err(mpsc::TryRecvError::Empty))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
