//! A real Kubernetes cluster, which `cargo xtask cluster` started: kubelets, kube-proxy, kube-router, MetalLB, and the
//! agent as a DaemonSet.

mod agents;
mod api;
mod harness;
mod install;
mod monitor;
mod page;
mod peer;
mod process;
mod undo;
mod vips;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

pub use agents::Finding;
pub use api::PATIENCE;
pub use harness::{KnownFault, Scenario, run};
pub use install::{AGENTS, DAEMONSET, overlay};
pub use monitor::Monitor;
pub use peer::peer;
pub use process::Process;
pub use undo::Undo;

/// A host on the nodes' LAN.
pub const CLIENT: &str = "client";

/// The cluster that the tests run on.
#[derive(Clone, Debug)]
pub struct Cluster {
    dir: PathBuf,
    name: String,
    xtask: PathBuf,
}

impl Cluster {
    /// Finds the cluster by the variables that `cargo xtask cluster test` sets.
    ///
    /// # Errors
    /// Fails without them.
    pub fn from_env() -> Result<Self> {
        let variable = |name: &str| {
            std::env::var_os(name)
                .with_context(|| format!("{name} is not set: run `cargo xtask cluster test`"))
        };
        Ok(Self {
            dir: variable("FLOW_OBSERVER_CLUSTER_DIR")?.into(),
            name: variable("FLOW_OBSERVER_CLUSTER_NAME")?.to_string_lossy().into_owned(),
            xtask: variable("FLOW_OBSERVER_XTASK")?.into(),
        })
    }

    /// Returns the cluster's directory.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// Returns the administrator's kubeconfig, whose server is on loopback.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// Runs a shell script on a node (`n1`, `n2`, ...) or on [`CLIENT`], and returns its standard output.
    ///
    /// # Errors
    /// Fails when the script fails; the message holds its standard error.
    pub fn on(&self, node: &str, script: &str) -> Result<String> {
        let mut command = Command::new(&self.xtask);
        command.args(["cluster", "--name", &self.name, "shell", node, "sh", "-ec", script]);
        captured(command.stdin(Stdio::null())).with_context(|| format!("on {node}: {script}"))
    }

    /// Returns the names of the nodes.
    ///
    /// # Errors
    /// Fails when the cluster's directory is incomplete.
    pub fn nodes(&self) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(self.dir.join("nodes"))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// Runs a command and returns its standard output.
fn captured(command: &mut Command) -> Result<String> {
    succeeded(&command.output().with_context(|| format!("start {command:?}"))?)
}

fn succeeded(output: &Output) -> Result<String> {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{}: {}{}", output.status, stderr.trim(), stdout.trim());
    }
    Ok(stdout.into_owned())
}
