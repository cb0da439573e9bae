//! Runs real containerd and runc, which k3s embeds, inside a node. Images are imported and run as on a real one.
//!
//! containerd runs in the node's network namespace, so that a container with the host's network gets the node's, and in
//! a mount namespace of its own, so that its mounts and its directories below /run go with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::manifest::{Container, node_tool};
use crate::netns::Netns;
use crate::{cmd, wait};

/// The capabilities that `ctr run` gives to a container by default; the kubelet's `drop: [ALL]` removes them.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// A running containerd. Dropping it ends its containers and then itself.
#[derive(Debug)]
pub struct Containerd {
    child: Child,
    ns: Netns,
    dir: PathBuf,
}

impl Containerd {
    /// Starts it in a node's network namespace; `dir` takes its state and its log.
    ///
    /// # Errors
    /// Fails when containerd is not unpacked or doesn't answer.
    pub fn start(ns: &Netns, dir: &Path) -> Result<Self> {
        let dir = dir.join("containerd");
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("config.toml"), configuration(&dir))?;
        let log = File::create(dir.join("log"))?;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "--", "sh", "-c"])
            .arg("mkdir -p /run/containerd && mount -t tmpfs none /run/containerd && exec \"$0\" \"$@\"")
            .arg(node_tool("usr/bin/containerd")?)
            .arg("--config")
            .arg(dir.join("config.toml"))
            .env("PATH", path()?)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = ns.run(|| command.spawn()).context("start containerd")?;
        let this = Self { child, ns: ns.clone(), dir };
        wait::until("containerd", wait::DEADLINE, || this.ctr(&["version"]).ok())
            .with_context(|| fs::read_to_string(this.dir.join("log")).unwrap_or_default())?;
        Ok(this)
    }

    /// Imports an archive, as `k3s ctr images import` does, and returns the names of all images.
    ///
    /// # Errors
    /// Fails when containerd refuses the archive.
    pub fn import(&self, archive: &Path) -> Result<Vec<String>> {
        self.ctr(&["images", "import", "--snapshotter", "native", &archive.to_string_lossy()])?;
        Ok(self.ctr(&["images", "ls", "-q"])?.lines().map(str::to_owned).collect())
    }

    /// The command that runs a container as the kubelet would have it run, with `capabilities` in place of its own, and
    /// directories that it may read: where they are, and where it finds them. `args` come after the image's entry
    /// point.
    ///
    /// # Errors
    /// Fails when `ctr` is not unpacked.
    pub fn run(
        &self,
        name: &str,
        container: &Container,
        readable: &[(&Path, &Path)],
        args: &[&str],
    ) -> Result<Command> {
        let mut command = self.command()?;
        command.args(["run", "--rm", "--snapshotter", "native", "--net-host", "--read-only", "--seccomp"]);
        for capability in &container.capabilities {
            command.args(["--cap-add", capability]);
        }
        for capability in DEFAULT_CAPABILITIES.iter().filter(|c| !container.capabilities.contains(**c)) {
            command.args(["--cap-drop", capability]);
        }
        for (name, value) in &container.env {
            command.args(["--env", &format!("{name}={value}")]);
        }
        if container.host_pid {
            // containerd's is the node's; process 1 may be out of reach in a sandbox.
            command.args(["--with-ns", &format!("pid:/proc/{}/ns/pid", self.child.id())]);
        }
        command.args(["--memory-limit", &container.memory_limit.to_string()]);
        for (from, to) in readable {
            let (from, to) = (from.display(), to.display());
            command.args(["--mount", &format!("type=bind,src={from},dst={to},options=rbind:ro")]);
        }
        command.args([&container.image, name, "/flow-observer"]).args(args);
        Ok(command)
    }

    /// Runs a command in a running container, as `kubectl exec` does, and returns its output.
    ///
    /// # Errors
    /// Fails when the command fails.
    pub fn exec(&self, name: &str, args: &[&str]) -> Result<String> {
        let out = self.command()?.args(["tasks", "exec", "--exec-id", "exec", name]).args(args).output()?;
        let stderr = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "{args:?} in {name}: {}: {stderr}", out.status);
        Ok(String::from_utf8(out.stdout)?)
    }

    /// Returns the ID of a container's first process, as the node sees it.
    ///
    /// # Errors
    /// Fails when there is no such container.
    pub fn pid(&self, name: &str) -> Result<u32> {
        let tasks = self.ctr(&["tasks", "ls"])?;
        let mut rows = tasks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| row.first() == Some(&name)).with_context(|| tasks.clone())?;
        row.get(1).with_context(|| tasks.clone())?.parse().context("no process id")
    }

    fn ctr(&self, args: &[&str]) -> Result<String> {
        let out = self.command()?.args(args).stdin(Stdio::null()).output()?;
        ensure!(out.status.success(), "ctr {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?)
    }

    /// Returns `ctr` in containerd's mount namespace: they share pipes below /run.
    fn command(&self) -> Result<Command> {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.child.id()))
            .arg(format!("--net=/run/netns/{}", self.ns.name()))
            .arg("--")
            .arg(node_tool("usr/bin/ctr")?)
            .arg("--address")
            .arg(self.dir.join("sock"))
            // The namespace of the kubelet's containers.
            .args(["--namespace", "k8s.io"])
            .env("PATH", path()?);
        Ok(command)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for name in self.ctr(&["tasks", "ls", "-q"]).unwrap_or_default().lines() {
            drop(self.ctr(&["tasks", "delete", "--force", name]));
            drop(self.ctr(&["containers", "delete", name]));
        }
        cmd::try_run(format!("kill {}", self.child.id()));
        drop(wait::until("containerd to end", wait::DEADLINE, || self.child.try_wait().ok().flatten()));
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns a configuration without the kubelet's interface.
fn configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "version = 2\nroot = \"{dir}/root\"\nstate = \"{dir}/state\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [grpc]\naddress = \"{dir}/sock\"\n[ttrpc]\naddress = \"{dir}/sock.ttrpc\"\n"
    )
}

/// Returns the path on which containerd finds its shim, and the shim runc.
fn path() -> Result<String> {
    let (shim, runc) = (node_tool("usr/bin/containerd-shim-runc-v2")?, node_tool("usr/sbin/runc")?);
    let dirs = [shim.parent(), runc.parent()].into_iter().flatten().map(|dir| dir.display().to_string());
    let own = std::env::var("PATH").unwrap_or_default();
    Ok(dirs.chain([own]).collect::<Vec<_>>().join(":"))
}
