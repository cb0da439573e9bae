//! Installs Debian packages with apt-get.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use nix::fcntl::{Flock, FlockArg};

use super::services;
use super::{Need, has_apt};
use crate::progress::Progress;
use crate::run::{Environment, STATE, output, report_step, run};

/// A package, with those needs that it serves.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: &'static str,
    /// A program that serves as well, wherever it comes from: Debian's containerd would remove Docker's.
    program: Option<&'static str>,
    needs: &'static [Need],
    pub(super) why: &'static str,
}

const fn package(name: &'static str, needs: &'static [Need], why: &'static str) -> Package {
    Package { name, program: None, needs, why }
}

const fn program(
    name: &'static str,
    program: &'static str,
    needs: &'static [Need],
    why: &'static str,
) -> Package {
    Package { name, program: Some(program), needs, why }
}

const PACKAGES: &[Package] = &[
    package("gcc", &[Need::Linker], "links the agent"),
    package("g++", &[Need::Fuzzer], "builds libFuzzer"),
    package("libc6-dev", &[Need::Linker], "links the agent"),
    package("iproute2", &[Need::Lab, Need::Cluster], "builds namespaces and links"),
    package("iptables", &[Need::Lab, Need::Cluster], "Services and pod firewalls"),
    package("ipset", &[Need::Lab, Need::Cluster], "the pod firewall's sets, as kube-router makes them"),
    package("procps", &[Need::Lab, Need::Cluster], "sysctl, for nodes"),
    package("kmod", &[Need::Lab, Need::Cluster], "loads kernel modules"),
    package(
        "keepalived",
        &[Need::Keepalived],
        "moves addresses between the lab's nodes; its service does not start",
    ),
    package(
        "prometheus",
        &[Need::Prometheus],
        "promtool checks /metrics and the alert rules; the lab's Prometheus",
    ),
    package("prometheus-alertmanager", &[Need::Prometheus], "the lab's Alertmanager"),
    program(
        "etcd-server",
        "etcd",
        &[Need::Etcd],
        "the store of the tests' API server; its service does not start",
    ),
    program("nodejs", "node", &[Need::Page], "builds the page, and drives the browser that tests it"),
    program("npm", "npm", &[Need::Page], "installs what the page is built with"),
    program("chromium", "chromium", &[Need::Page], "opens the page in a test"),
    program("containerd", "containerd", &[Need::Cluster], "runs pods; its service does not start"),
    program("runc", "runc", &[Need::Cluster], "runs containers"),
    program("containernetworking-plugins", "/usr/lib/cni/bridge", &[Need::Cluster], "connects pods"),
    program("conntrack", "conntrack", &[Need::Cluster], "kube-proxy forgets connections with it"),
    program("nftables", "nft", &[Need::Cluster], "kube-proxy's other mode"),
    package("busybox-static", &[Need::Cluster], "the shell in the tests' pods"),
    program("openssl", "openssl", &[Need::Cluster], "makes the cluster's certificates"),
    program("util-linux", "nsenter", &[Need::Cluster], "makes and enters nodes"),
];

/// The time in seconds that apt-get waits for another one, e.g. that of the machine's own updates.
const PATIENCE: &str = "DPkg::Lock::Timeout=300";

/// Returns the packages that are missing for these needs.
///
/// # Errors
/// Fails when packages are missing and this process can't install them; the message has the remedy.
pub(super) fn missing(needs: &[Need]) -> Result<Vec<&'static Package>> {
    let missing: Vec<_> = wanted(needs).filter(|package| !package.is_there()).collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    if !has_apt() {
        let names = names.join(", ");
        return Err(Environment(format!(
            "this system has no apt-get; install what Debian calls {names}, then run again"
        ))
        .into());
    }
    if !nix::unistd::geteuid().is_root() {
        let names = names.join(" ");
        return Err(Environment(format!(
            "packages are missing; as root: apt-get install --no-install-recommends {names}"
        ))
        .into());
    }
    Ok(missing)
}

/// Returns the packages that serve these needs.
pub(super) fn wanted(needs: &[Need]) -> impl Iterator<Item = &'static Package> {
    PACKAGES.iter().filter(|package| package.needs.iter().any(|need| needs.contains(need)))
}

/// Installs packages.
pub(super) fn ensure(progress: &Progress, packages: &[&Package]) -> Result<()> {
    let names: Vec<_> = packages.iter().map(|package| package.name).collect();
    apt_install(&names, |apt| progress.run("Debian packages", apt))
}

/// Installs packages that only one task needs.
pub(crate) fn install(names: &[&str], why: &str) -> Result<()> {
    report_step(&format!("installing Debian packages {}: {why}", names.join(", ")));
    apt_install(names, run)
}

fn apt_install(names: &[&str], run: impl Fn(&mut Command) -> Result<()>) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    update(&run)?;
    let _apt = lock()?;
    let mut install = apt_get(&["install", "-q", "-y", "--no-install-recommends"]);
    run(&mut services::without_starts(install.args(names)))?;
    services::disable(names)
}

/// Reads the package lists again: they may be empty or old.
pub(super) fn update(run: impl Fn(&mut Command) -> Result<()>) -> Result<()> {
    let _apt = lock()?;
    run(&mut apt_get(&["update", "-q"]))
}

/// Waits until no other command of ours uses apt-get, which fails when another one reads the package lists.
fn lock() -> Result<Flock<File>> {
    fs::create_dir_all(STATE).context(STATE)?;
    let path = Path::new(STATE).join("apt.lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error).context("lock apt-get")
}

fn apt_get(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", PATIENCE]).args(args);
    command
}

impl Package {
    fn is_there(&self) -> bool {
        self.program.is_some_and(exists) || installed(self.name)
    }
}

fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(sbin).any(|dir| dir.join(program).exists())
}

fn installed(name: &str) -> bool {
    output("dpkg-query", &["-W", "-f=${db:Status-Status}", name]).is_some_and(|status| status == "installed")
}
