//! Network namespaces that are deleted with their last handle.

use std::fs::{self, File};
use std::panic;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use crate::cmd;
use crate::guard::{self, Guard};

/// A handle; clones share the namespace.
#[derive(Clone, Debug)]
pub struct Netns(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    file: File,
    _guard: Arc<Guard>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        guard::remove(&self.name);
    }
}

impl Netns {
    /// Makes a namespace with loopback up.
    ///
    /// # Errors
    /// Fails when `ip netns add` fails.
    pub fn new(guard: &Arc<Guard>, name: &str) -> Result<Self> {
        let name = guard.full_name(name);
        cmd::run(format!("ip netns add {name}"))?;
        let path = format!("/run/netns/{name}");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                guard::remove(&name);
                return Err(error).context(path);
            }
        };
        let ns = Self(Arc::new(Inner { name, file, _guard: Arc::clone(guard) }));
        // Without duplicate address detection, addresses are usable at once.
        for family in ["all", "default"] {
            ns.try_sysctl(&format!("net.ipv6.conf.{family}.accept_dad"), "0");
            ns.try_sysctl(&format!("net.ipv6.conf.{family}.dad_transmits"), "0");
            ns.try_sysctl(&format!("net.ipv6.conf.{family}.accept_ra"), "0");
        }
        ns.ip("link set lo up")?;
        Ok(ns)
    }

    /// Returns its name in `ip netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Runs `f` on a thread of its own inside the namespace. A panic in `f` continues in the caller.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                self.enter();
                f()
            });
            worker.join().unwrap_or_else(|cause| panic::resume_unwind(cause))
        })
    }

    /// Starts a thread that lives inside the namespace.
    pub fn spawn<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let ns = self.clone();
        thread::spawn(move || {
            ns.enter();
            // A running thread must not keep the namespace from being deleted.
            drop(ns);
            f()
        })
    }

    fn enter(&self) {
        setns(&self.0.file, CloneFlags::CLONE_NEWNET)
            .unwrap_or_else(|errno| panic!("can't enter namespace {}: {errno}", self.0.name));
    }

    /// Runs a command line inside; see [`cmd::run`].
    ///
    /// # Errors
    /// Fails when the tool fails.
    pub fn exec(&self, line: impl AsRef<str> + Sync) -> Result<String> {
        self.run(|| cmd::run(line.as_ref()))
    }

    /// Runs one `ip` command inside.
    ///
    /// # Errors
    /// Fails when the command fails.
    pub fn ip(&self, args: impl AsRef<str>) -> Result<String> {
        cmd::run(format!("ip -n {} {}", self.name(), args.as_ref()))
    }

    /// Runs many `ip` commands, one per line.
    ///
    /// # Errors
    /// Fails when a command fails.
    pub fn ip_batch(&self, lines: &str) -> Result<()> {
        cmd::feed(format!("ip -n {} -batch -", self.name()), lines).map(drop)
    }

    /// Sets a kernel parameter inside, dotted as in sysctl(8).
    ///
    /// # Errors
    /// Fails when the parameter is missing or refuses the value.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        self.run(|| fs::write(&path, value)).with_context(|| format!("{key}={value}"))
    }

    /// Sets a kernel parameter that some kernels don't have.
    pub fn try_sysctl(&self, key: &str, value: &str) {
        drop(self.sysctl(key, value));
    }

    /// Reads a file of `/proc/net` inside.
    ///
    /// # Errors
    /// Fails when the file can't be read.
    pub fn proc_net(&self, file: &str) -> Result<String> {
        // `/proc/net` follows the process, not the thread.
        let path = Path::new("/proc/thread-self/net").join(file);
        self.run(|| fs::read_to_string(&path)).with_context(|| path.display().to_string())
    }

    /// Returns a counter of `/proc/net/snmp` or `/proc/net/netstat`, e.g. `("Tcp", "OutRsts")`.
    ///
    /// # Errors
    /// Fails when there is no such counter.
    pub fn counter(&self, group: &str, name: &str) -> Result<u64> {
        let text = self.proc_net("snmp")? + &self.proc_net("netstat")?;
        find_counter(&text, group, name).with_context(|| format!("no counter {group} {name}"))
    }
}

/// Reads a counter. The files have a line of names, then a line of values, each after `group:`.
fn find_counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|l| l.strip_prefix(group)?.strip_prefix(':'));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|n| n == name)?;
    values.split_whitespace().nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests;
