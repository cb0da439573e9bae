//! Where a cluster keeps its files, and how its namespaces and addresses are called.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cache::Cache;
use crate::run::Environment;

/// The LAN of the nodes is TEST-NET-1, which no machine uses. Each cluster has a LAN namespace of its own, so that several
/// clusters may use the same addresses.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
/// The API server runs on the first node.
pub(super) const API: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);

/// The cluster that commands without `--name` mean.
pub(super) const DEFAULT: &str = "lab";

/// Checks the name of a cluster: it becomes part of the names of namespaces and cgroups.
pub(super) fn name(text: &str) -> Result<String, String> {
    let fits = (1..=12).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits { Ok(text.to_owned()) } else { Err("expected 1 to 12 of a-z, 0-9 and -".to_owned()) }
}

/// One cluster.
#[derive(Debug)]
pub(super) struct Place {
    name: String,
    dir: PathBuf,
}

impl Place {
    pub(super) fn of(name: &str) -> Result<Self> {
        let dir = Cache::open("clusters")?.path(name);
        Ok(Self { name: name.to_owned(), dir })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The option that names the cluster on a command line, unless it is the default.
    pub(super) fn option(&self) -> String {
        if self.name == DEFAULT { String::new() } else { format!(" --name {}", self.name) }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Fails with the remedy unless the cluster was started.
    pub(super) fn running(&self) -> Result<()> {
        if self.dir.join("nodes").exists() {
            return Ok(());
        }
        let name = &self.name;
        Err(Environment(format!(
            "no cluster `{name}` is running; start it: cargo xtask cluster up --name {name}"
        ))
        .into())
    }

    /// The names of the nodes, in the order of their addresses.
    pub(super) fn nodes(&self) -> Result<Vec<String>> {
        let path = self.dir.join("nodes");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The directory of one node.
    pub(super) fn node_dir(&self, node: &str) -> PathBuf {
        self.dir.join(node)
    }

    /// A network namespace of the cluster, as `ip netns` knows it.
    pub(super) fn namespace(&self, of: &str) -> String {
        format!("fo-{}-{of}", self.name)
    }

    /// Where the credentials of a user are.
    pub(super) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.dir.join("pki").join(format!("{user}.kubeconfig"))
    }

    /// The kubectl of the cluster's own version.
    pub(super) fn kubectl(&self, args: &[impl AsRef<std::ffi::OsStr>]) -> Result<Command> {
        let mut kubectl = self.on("n1", &self.dir.join("bin/kubectl").to_string_lossy())?;
        kubectl.arg("--kubeconfig").arg(self.kubeconfig("admin")).args(args);
        Ok(kubectl)
    }

    /// A command in the namespaces of a node, or in the network of the LAN client (`client`).
    pub(super) fn on(&self, node: &str, program: &str) -> Result<Command> {
        if node == "client" {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", &self.namespace("client"), program]);
            return Ok(command);
        }
        let path = self.node_dir(node).join("holder.pid");
        let nodes = || self.nodes().unwrap_or_default().join(", ");
        let pid = fs::read_to_string(&path)
            .map_err(|_| Environment(format!("no node `{node}`; there are {}, and client", nodes())))?;
        let mut command = Command::new("nsenter");
        command.args(["-t", pid.trim(), "-n", "-m", "-u", "-p", "-C", "--", program]);
        Ok(command)
    }
}

/// The LAN address of the node `n1`, `n2`, ...
pub(super) fn address(node: &str) -> Ipv4Addr {
    let number: u8 = node.trim_start_matches('n').parse().unwrap_or(0);
    Ipv4Addr::new(192, 0, 2, 10 + number)
}

#[cfg(test)]
mod tests;
