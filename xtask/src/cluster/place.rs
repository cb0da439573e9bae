//! Where a cluster keeps its files, and how its namespaces and addresses are called.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::process;
use crate::cache::Cache;
use crate::run::{Environment, STATE};

/// The LAN of the nodes is TEST-NET-1, which no machine uses. Each cluster has a LAN namespace of its own, so that several
/// clusters may use the same addresses.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(super) const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
/// The API server runs on the first node.
pub(super) const API: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);

/// The cluster that commands without `--name` mean.
pub(super) const DEFAULT: &str = "lab";

/// Directories that each node has for itself: it doesn't see the machine's.
const OWN: [&str; 3] = ["/run", "/var/lib", "/var/log"];

/// Checks the name of a cluster. It becomes part of the names of namespaces and cgroups, `fo-NAME-n1`: without a hyphen,
/// no name is the beginning of another's, and with a letter at the beginning, none is taken for those of the demo and the
/// tests, `fo-PID-0-n1`.
pub(super) fn name(text: &str) -> Result<String, String> {
    let fits = (1..=12).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected 1 to 12 of a-z and 0-9, the first of them a letter".to_owned())
    }
}

/// One cluster.
#[derive(Debug)]
pub(super) struct Place {
    name: String,
    /// Is lost at a reboot, as the namespaces are. Who has made it has the name.
    dir: PathBuf,
}

impl Place {
    pub(super) fn of(name: &str) -> Self {
        Self::below(&Path::new(STATE).join("clusters"), name)
    }

    pub(super) fn below(clusters: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), dir: clusters.join(name) }
    }

    /// Makes the cluster's directories, which only their owner can read: they hold keys.
    ///
    /// # Errors
    /// Fails when there is a cluster of this name.
    pub(super) fn claim(&self) -> Result<()> {
        let data = Cache::open("cluster-data")?.path(&self.name);
        self.claim_with(&data)
    }

    fn claim_with(&self, data: &Path) -> Result<()> {
        if let Some(own) = OWN.iter().find(|own| data.starts_with(own)) {
            let data = data.display();
            let why = format!("{data} can't be seen by nodes, which have a {own} of their own");
            return Err(Environment(format!("{why}: set FLOW_OBSERVER_CACHE to another directory")).into());
        }
        let mut private = DirBuilder::new();
        private.mode(0o700);
        if let Some(clusters) = self.dir.parent() {
            fs::create_dir_all(clusters).with_context(|| clusters.display().to_string())?;
        }
        match private.create(&self.dir) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(self.taken()),
            made => made.with_context(|| self.dir.display().to_string())?,
        }
        // What a cluster before the machine's last start left.
        if data.exists() {
            fs::remove_dir_all(data)?;
        }
        private.create(data).with_context(|| data.display().to_string())?;
        Ok(symlink(data, self.dir.join("data"))?)
    }

    /// Fails with the remedy when there is a cluster of this name.
    pub(super) fn free(&self) -> Result<()> {
        if self.dir.exists() { Err(self.taken()) } else { Ok(()) }
    }

    fn taken(&self) -> anyhow::Error {
        let name = &self.name;
        Environment(format!(
            "a cluster `{name}` exists; stop it first: cargo xtask cluster down --name {name}"
        ))
        .into()
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

    /// The directory of what is large: images, containers, logs. It is not in `/run`, which is memory.
    pub(super) fn data(&self) -> PathBuf {
        let link = self.dir.join("data");
        fs::read_link(&link).unwrap_or(link)
    }

    /// The data of one node.
    pub(super) fn node_dir(&self, node: &str) -> PathBuf {
        self.data().join(node)
    }

    /// The file that names a process of the cluster.
    pub(super) fn process(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.pid"))
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

    /// A network namespace of the cluster, as `ip netns` knows it; also the cgroup of a node.
    pub(super) fn namespace(&self, of: &str) -> String {
        format!("fo-{}-{of}", self.name)
    }

    /// Where the credentials of a user are.
    pub(super) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.dir.join("pki").join(format!("{user}.kubeconfig"))
    }

    /// The kubectl of the cluster's own version, on the machine: it sees the user's files, and what it serves is reached.
    pub(super) fn kubectl_here(&self, args: &[impl AsRef<std::ffi::OsStr>]) -> Command {
        let mut kubectl = Command::new(self.dir.join("bin/kubectl"));
        kubectl.arg("--kubeconfig").arg(self.dir.join("kubeconfig")).args(args);
        kubectl
    }

    /// The same on the first node, where it also works before the API can be reached from the machine.
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
        let pid = process::recorded(&self.process(node)).ok_or_else(|| self.no_node(node))?;
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid.to_string(), "-n", "-m", "-u", "-p", "-C", "--", program]);
        Ok(command)
    }

    fn no_node(&self, node: &str) -> Environment {
        let nodes = self.nodes().unwrap_or_default();
        Environment(if nodes.iter().any(|known| known == node) {
            let name = &self.name;
            format!("node `{node}` has ended; remove what is left: cargo xtask cluster down --name {name}")
        } else {
            format!("no node `{node}`; there are {}, and client", nodes.join(", "))
        })
    }
}

/// The LAN address of the node `n1`, `n2`, ...
pub(super) fn address(node: &str) -> Ipv4Addr {
    let number: u8 = node.trim_start_matches('n').parse().unwrap_or(0);
    Ipv4Addr::new(192, 0, 2, 10 + number)
}

#[cfg(test)]
mod tests;
