//! Installs Debian packages with apt-get.

use std::process::Command;

use anyhow::Result;

use super::services::{self, NoStarts};
use crate::run::{Environment, output, report_step, run};

/// Packages, and the reason for each.
const PACKAGES: &[(&str, &str)] = &[
    ("gcc", "links the agent"),
    ("g++", "builds libFuzzer"),
    ("libc6-dev", "links the agent"),
    ("iproute2", "builds the lab's namespaces and links"),
    ("iptables", "the lab's Services and pod firewalls"),
    ("ipset", "the pod firewall's sets, as kube-router makes them"),
    ("keepalived", "moves addresses between the lab's nodes; its service does not start"),
    ("procps", "sysctl, for the lab's nodes"),
    ("kmod", "loads kernel modules for the lab"),
    ("prometheus", "promtool checks /metrics and the alert rules; the lab's Prometheus"),
    ("prometheus-alertmanager", "the lab's Alertmanager"),
];

/// Installs what is missing. Is true if something was installed.
pub(super) fn ensure() -> Result<bool> {
    let missing: Vec<_> = PACKAGES.iter().filter(|(name, _)| !installed(name)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    if output("apt-get", &["--version"]).is_none() {
        let wanted = names.join(", ");
        return Err(Environment(format!(
            "this system has no apt-get; install what Debian calls {wanted}, then run again"
        ))
        .into());
    }
    if !nix::unistd::geteuid().is_root() {
        let line = names.join(" ");
        return Err(Environment(format!(
            "packages are missing; as root: apt-get install --no-install-recommends {line}"
        ))
        .into());
    }
    for (name, why) in &missing {
        report_step(&format!("installing Debian package {name}: {why}"));
    }
    apt_install(&names)?;
    Ok(true)
}

/// Installs packages that only one task needs.
pub(crate) fn install(names: &[&str], why: &str) -> Result<()> {
    report_step(&format!("installing Debian packages {}: {why}", names.join(", ")));
    apt_install(names)
}

fn apt_install(names: &[&str]) -> Result<()> {
    let apt =
        |args: &[&str]| run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(args));
    apt(&["update", "-q"])?;
    let mut args = vec!["install", "-q", "-y", "--no-install-recommends"];
    args.extend(names);
    let no_starts = NoStarts::new()?;
    apt(&args)?;
    drop(no_starts);
    services::disable(names)
}

fn installed(name: &str) -> bool {
    output("dpkg-query", &["-W", "-f=${db:Status-Status}", name]).is_some_and(|status| status == "installed")
}
