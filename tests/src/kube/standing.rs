//! A server that outlives the command that started it: `cargo xtask kube start`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::kubectl::Kubectl;
use super::place::Place;
use super::server::{self, ApiServer};
use crate::wait;

const PROGRAMS: [&str; 2] = ["kube-apiserver", "etcd"];

/// A server with its files in one directory.
#[derive(Debug)]
pub struct Standing {
    dir: PathBuf,
}

impl Standing {
    /// Returns the server in `dir`, running or not.
    ///
    /// # Errors
    /// Fails when there is no current directory to which `dir` is relative.
    pub fn new(dir: &Path) -> Result<Self> {
        Ok(Self { dir: std::path::absolute(dir)? })
    }

    /// Starts one without objects, and returns its address.
    ///
    /// # Errors
    /// Fails when a server runs already, or the new one doesn't start.
    pub fn start(&self) -> Result<String> {
        if !self.running().is_empty() {
            bail!("it runs already; `cargo xtask kube stop` ends it");
        }
        drop(fs::remove_dir_all(&self.dir));
        let server = ApiServer::start(&Place::Here, &self.dir)?;
        let url = server.url();
        let state = json!({"url": url, "pids": server.let_go()});
        fs::write(self.state(), state.to_string())?;
        Ok(url)
    }

    /// Stops it and removes its files. Is true if there was one.
    ///
    /// # Errors
    /// Fails when the server doesn't end.
    pub fn stop(&self) -> Result<bool> {
        let running = self.running();
        for pid in &running {
            kill(Pid::from_raw(*pid), Signal::SIGKILL)?;
        }
        wait::until("the servers to end", wait::DEADLINE, || self.running().is_empty().then_some(()))?;
        drop(fs::remove_dir_all(&self.dir));
        Ok(!running.is_empty())
    }

    /// Returns its address, if all of it runs.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let whole = self.running().len() == PROGRAMS.len();
        whole.then(|| Some(self.read()?["url"].as_str()?.to_owned())).flatten()
    }

    /// Returns the time of its start.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        fs::metadata(self.state()).ok()?.modified().ok()?.elapsed().ok()
    }

    /// Returns the admin's kubeconfig.
    #[must_use]
    pub fn admin(&self) -> PathBuf {
        self.dir.join("admin.kubeconfig")
    }

    /// Returns kubectl as its admin.
    ///
    /// # Errors
    /// Fails when the server doesn't run.
    pub fn kubectl(&self) -> Result<Kubectl> {
        self.url().context("it doesn't run; `cargo xtask kube start` starts it")?;
        let program = server::build()?.join("bin/kubectl");
        Ok(Kubectl::new(program, &Place::Here, &self.admin(), &self.dir.join("kubectl")))
    }

    /// Returns its living processes. An ID that another program has now does not count.
    fn running(&self) -> Vec<i32> {
        let Some(state) = self.read() else { return Vec::new() };
        let pids = state["pids"].as_array().into_iter().flatten();
        pids.filter_map(|pid| i32::try_from(pid.as_i64()?).ok()).filter(|pid| self.is_ours(*pid)).collect()
    }

    /// Is true for its processes: both have the directory among their arguments.
    fn is_ours(&self, pid: i32) -> bool {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let program = Path::new(line.split('\0').next().unwrap_or_default()).file_name();
        let known = program.is_some_and(|name| PROGRAMS.iter().any(|program| name == *program));
        known && line.contains(&*self.dir.to_string_lossy())
    }

    fn read(&self) -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(self.state()).ok()?).ok()
    }

    fn state(&self) -> PathBuf {
        self.dir.join("state.json")
    }
}
