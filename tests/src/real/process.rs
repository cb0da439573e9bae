//! Programs that run beside the scenarios, in the network of a node or of the LAN client.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::Cluster;

/// A program with everything that it starts. Dropping it ends all of it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Cluster {
    /// Starts a program on a node or on [`super::CLIENT`]; its output goes into the cluster's directory.
    ///
    /// # Errors
    /// Fails when it can't be started.
    pub fn start(&self, node: &str, program: &str, args: &[&str]) -> Result<Process> {
        let mut command = Command::new(&self.xtask);
        command.args(["cluster", "--name", &self.name, "shell", node, program]).args(args);
        self.beside(command, program.rsplit('/').next().unwrap_or(program))
    }

    /// Starts kubectl, which goes on until it is dropped.
    ///
    /// # Errors
    /// Fails when it can't be started.
    pub fn watch(&self, words: &str) -> Result<Process> {
        self.beside(self.kubectl_command(words), "kubectl")
    }

    /// Starts a command whose output has a file of its own.
    fn beside(&self, mut command: Command, name: &str) -> Result<Process> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = self.dir().join(format!("test-{number}-{name}.log"));
        command
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?)
            // One group, so that its end reaches the program behind `shell`.
            .process_group(0);
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        Ok(Process { child, log })
    }

    /// Listens in the network of a node or of [`super::CLIENT`].
    ///
    /// # Errors
    /// Fails when there is no such node, or the address is taken.
    pub fn listen(&self, node: &str, at: SocketAddr) -> Result<TcpListener> {
        let name = self.on(node, "ip netns identify $$")?;
        let path = Path::new("/run/netns").join(name.trim());
        let namespace = File::open(&path).with_context(|| path.display().to_string())?;
        let listen = move || -> Result<TcpListener> {
            setns(&namespace, CloneFlags::CLONE_NEWNET)?;
            Ok(TcpListener::bind(at)?)
        };
        // A thread of its own: it doesn't leave the namespace again.
        let listener =
            thread::spawn(listen).join().map_err(|_| anyhow!("the thread that listens has ended"))?;
        listener.with_context(|| format!("listen on {at} of {node}"))
    }

    /// Starts a client on the LAN that keeps one connection to `address` and sends a line every 100 ms.
    ///
    /// # Errors
    /// Fails when it can't be started.
    pub fn hold(&self, address: &str) -> Result<Process> {
        let peer = self.dir().join("bin/peer");
        self.start(super::CLIENT, &peer.to_string_lossy(), &["hold", address, "100ms"])
    }
}

impl Process {
    /// Returns its output so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Is true while it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let state = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT);
        state == Ok(WaitStatus::StillAlive)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(pid) = self.child.id().try_into() {
            killpg(Pid::from_raw(pid), Signal::SIGKILL).unwrap_or_default();
        }
        drop(self.child.wait());
    }
}
