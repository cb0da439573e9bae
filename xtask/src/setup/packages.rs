//! Installs Debian packages with apt-get.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use super::services::{self, NoStarts};
use super::{Need, has_apt};
use crate::progress::Progress;
use crate::run::{Environment, output, report_step, run};

/// A package, with those needs that it serves.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: &'static str,
    needs: &'static [Need],
    pub(super) why: &'static str,
}

const fn package(name: &'static str, needs: &'static [Need], why: &'static str) -> Package {
    Package { name, needs, why }
}

const PACKAGES: &[Package] = &[
    package("gcc", &[Need::Linker], "links the agent"),
    package("g++", &[Need::Fuzzer], "builds libFuzzer"),
    package("libc6-dev", &[Need::Linker], "links the agent"),
    package("iproute2", &[Need::Lab], "builds the lab's namespaces and links"),
    package("iptables", &[Need::Lab], "the lab's Services and pod firewalls"),
    package("ipset", &[Need::Lab], "the pod firewall's sets, as kube-router makes them"),
    package("procps", &[Need::Lab], "sysctl, for the lab's nodes"),
    package("kmod", &[Need::Lab], "loads kernel modules for the lab"),
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
];

/// apt-get locks its lists and fails when another one runs.
static APT: Mutex<()> = Mutex::new(());

/// Returns the packages that are missing for these needs.
///
/// # Errors
/// Fails when packages are missing and this process can't install them; the message has the remedy.
pub(super) fn missing(needs: &[Need]) -> Result<Vec<&'static Package>> {
    let missing: Vec<_> = wanted(needs).filter(|package| !installed(package.name)).collect();
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
    let _apt = APT.lock().unwrap_or_else(PoisonError::into_inner);
    let no_starts = NoStarts::new()?;
    let mut install = apt_get(&["install", "-q", "-y", "--no-install-recommends"]);
    run(install.args(names))?;
    drop(no_starts);
    services::disable(names)
}

/// Reads the package lists again: they may be empty or old.
pub(super) fn update(run: impl Fn(&mut Command) -> Result<()>) -> Result<()> {
    let _apt = APT.lock().unwrap_or_else(PoisonError::into_inner);
    run(&mut apt_get(&["update", "-q"]))
}

fn apt_get(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(args);
    command
}

fn installed(name: &str) -> bool {
    output("dpkg-query", &["-W", "-f=${db:Status-Status}", name]).is_some_and(|status| status == "installed")
}
