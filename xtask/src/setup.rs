//! Installs what a fresh Debian or Ubuntu machine with git and rustup's stable toolchain lacks, for each command only
//! what it uses.

mod linker;
mod node;
mod packages;
mod services;
mod toolchain;

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, anyhow};

use crate::progress::Progress;
use crate::run::{output, report_step};

pub(crate) use packages::install;

/// Something that commands use and a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A C compiler, which links programs.
    Linker,
    /// The toolchain of the eBPF target, with which every build of the agent begins.
    Probes,
    /// The programs that make nodes of network namespaces.
    Lab,
    /// The announcer of addresses in the lab.
    Keepalived,
    /// Prometheus, Alertmanager and promtool.
    Prometheus,
    /// containerd and runc, unpacked.
    Node,
    /// What builds libFuzzer.
    Fuzzer,
    /// The store of an API server.
    Etcd,
    /// Node and npm, which build the page, and a browser, which opens it in a test.
    Page,
    /// The nodes of a cluster: containers and their network.
    Cluster,
}

impl Need {
    /// What builds the agent needs.
    pub(crate) const AGENT: &[Self] = &[Self::Linker, Self::Probes];
    /// What runs the agent in the lab needs.
    pub(crate) const LAB: &[Self] = &[Self::Linker, Self::Probes, Self::Lab];
    pub(crate) const FUZZER: &[Self] = &[Self::Linker, Self::Fuzzer];
    pub(crate) const ALL: &[Self] = &[
        Self::Linker,
        Self::Probes,
        Self::Lab,
        Self::Keepalived,
        Self::Prometheus,
        Self::Node,
        Self::Fuzzer,
        Self::Etcd,
        Self::Page,
        Self::Cluster,
    ];
}

/// Installs what is missing, after a line with the name and the reason. It is quick and quiet when nothing is missing.
///
/// # Errors
/// Fails when something can't be installed.
pub(crate) fn ensure(root: &Path, needs: &[Need]) -> Result<()> {
    install_during(root, needs, false, |_| Ok(()))
}

/// Installs everything that any command uses.
///
/// # Errors
/// Fails when something can't be installed.
pub(crate) fn all(root: &Path) -> Result<()> {
    if Missing::find(root, Need::ALL)?.is_nothing() {
        report_step("set-up is complete, nothing to do");
        return Ok(());
    }
    ensure(root, Need::ALL)
}

/// Installs what is missing, and runs `build` at the same time: downloads leave the processors to it. The agent's build
/// script waits for the toolchain of the eBPF target and for the eBPF object, which is built here.
///
/// # Errors
/// Fails when something can't be installed, else when `build` fails.
pub(crate) fn meanwhile<T>(
    root: &Path,
    needs: &[Need],
    build: impl FnOnce(&Progress) -> Result<T>,
) -> Result<T> {
    install_during(root, needs, needs.contains(&Need::Probes), build)
}

fn install_during<T>(
    root: &Path,
    needs: &[Need],
    with_object: bool,
    build: impl FnOnce(&Progress) -> Result<T>,
) -> Result<T> {
    let tools = ebpf_object::tools(root);
    fs::create_dir_all(&tools).with_context(|| format!("{} can't be created", tools.display()))?;
    let lock = ebpf_object::setup_lock(root).context("the set-up can't be locked")?;
    if lock.try_lock().is_err() {
        report_step("waiting for the set-up of another command");
        lock.lock().context("the set-up can't be locked")?;
    }
    let missing = Missing::find(root, needs)?;
    missing.announce(&tools);
    Progress::during(&root.join("target/setup"), |progress| {
        thread::scope(|scope| {
            // Debian's packages come one after the other, because apt-get locks its lists.
            let packages = scope.spawn(|| {
                let installed = packages::ensure(progress, &missing.packages);
                let node = || if missing.node { node::ensure(progress, &tools) } else { Ok(()) };
                let all = installed.and_then(|()| node());
                report_failure(progress, all)
            });
            let probes = scope.spawn(|| {
                let installed = missing.install_probes(progress, root, &tools);
                if installed.is_ok() && with_object {
                    // The agent's build script tries again, and reports its errors.
                    progress.quiet("eBPF object", || object(root)).unwrap_or_default();
                }
                // The build script waits for this, also after an error. The build may still take minutes.
                drop(lock);
                report_failure(progress, installed)
            });
            let built = build(progress);
            for thread in [packages, probes] {
                thread.join().map_err(|_| anyhow!("the set-up panicked"))??;
            }
            built
        })
    })
}

/// Reports at once that something can't be installed: the error itself comes after the build.
fn report_failure(progress: &Progress, result: Result<()>) -> Result<()> {
    if result.is_err() {
        progress.step("the set-up failed; the error follows when the compiler has stopped");
    }
    result
}

/// Builds the eBPF object where the agent's build script looks for it.
fn object(root: &Path) -> Result<()> {
    let request = ebpf_object::Request {
        cargo: &std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        root,
        arch: std::env::consts::ARCH,
        big_endian: cfg!(target_endian = "big"),
        flags: &[],
        into: &ebpf_object::shared(root),
    };
    ebpf_object::build(&request).map(drop).map_err(|why| anyhow!(why))
}

/// Holds what a command lacks on this machine.
#[derive(Debug)]
struct Missing {
    packages: Vec<&'static packages::Package>,
    toolchain: bool,
    linker: bool,
    node: bool,
}

impl Missing {
    /// # Errors
    /// Fails when this process can't install what is missing; the message has the remedy.
    fn find(root: &Path, needs: &[Need]) -> Result<Self> {
        let tools = ebpf_object::tools(root);
        let probes = needs.contains(&Need::Probes);
        Ok(Self {
            packages: packages::missing(needs)?,
            toolchain: probes && toolchain::is_missing(&tools),
            linker: probes && linker::is_missing(&tools),
            node: needs.contains(&Need::Node) && node::is_missing(&tools),
        })
    }

    fn is_nothing(&self) -> bool {
        self.packages.is_empty() && !self.toolchain && !self.linker && !self.node
    }

    /// Reports everything that will be installed, with its reason.
    fn announce(&self, tools: &Path) {
        for package in &self.packages {
            report_step(&format!("installing Debian package {}: {}", package.name, package.why));
        }
        if self.node {
            report_step(&node::announcement(tools));
        }
        if self.toolchain {
            report_step(toolchain::ANNOUNCEMENT);
        }
        if self.linker {
            report_step(&linker::announcement(tools));
        }
    }

    /// Installs the toolchain and the linker of the eBPF target at the same time.
    fn install_probes(&self, progress: &Progress, root: &Path, tools: &Path) -> Result<()> {
        thread::scope(|scope| {
            let linker =
                scope.spawn(|| if self.linker { linker::install(progress, root, tools) } else { Ok(()) });
            let toolchain = if self.toolchain { toolchain::install(progress, tools) } else { Ok(()) };
            linker.join().map_err(|_| anyhow!("the set-up panicked"))?.and(toolchain)
        })
    }
}

/// Is true when the system has apt-get.
fn has_apt() -> bool {
    output("apt-get", &["--version"]).is_some()
}

#[cfg(test)]
mod tests;
