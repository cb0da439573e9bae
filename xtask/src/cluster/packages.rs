//! What a cluster needs from the system.

use anyhow::Result;

use crate::run::{Environment, output};
use crate::setup;

/// Debian packages, and a program of each.
const PACKAGES: &[(&str, &str)] = &[
    ("containerd", "containerd"),
    ("runc", "runc"),
    ETCD,
    ("containernetworking-plugins", "/usr/lib/cni/bridge"),
    ("conntrack", "conntrack"),
    ("nftables", "nft"),
    ("ipset", "ipset"),
    ("iptables", "iptables"),
    ("iproute2", "ip"),
    ("busybox-static", "busybox"),
    ("openssl", "openssl"),
    ("util-linux", "nsenter"),
];

/// The oldest Go that builds all components.
const GO: (u32, u32) = (1, 26);

/// The store of an API server.
const ETCD: (&str, &str) = ("etcd-server", "etcd");

/// Installs what a cluster needs and is missing.
///
/// # Errors
/// When a package can't be installed, or Go is missing or too old.
pub(super) fn ensure() -> Result<()> {
    install_missing(PACKAGES, "containers, etcd and the network of the cluster's nodes")?;
    ensure_go()
}

/// Installs what an API server alone needs.
pub(super) fn ensure_etcd() -> Result<()> {
    install_missing(&[ETCD], "the store of the tests' API server")
}

/// Fails with the remedy unless there is a Go that builds all components.
pub(super) fn ensure_go() -> Result<()> {
    need_go(output("go", &["env", "GOVERSION"]).as_deref())
}

/// Installs Prometheus, which only the demo needs.
pub(super) fn ensure_prometheus() -> Result<()> {
    install_missing(&[("prometheus", "prometheus")], "the demo's alerts")
}

fn install_missing(packages: &[(&str, &str)], why: &str) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, program)| !exists(program)).map(|(package, _)| *package).collect();
    if missing.is_empty() { Ok(()) } else { setup::install(&missing, why) }
}

fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    let mut dirs = std::env::split_paths(&path).chain(sbin);
    std::path::Path::new(program).is_absolute() && std::path::Path::new(program).exists()
        || dirs.any(|dir| dir.join(program).exists())
}

fn need_go(version: Option<&str>) -> Result<()> {
    let (major, minor) = GO;
    let remedy = format!(
        "Kubernetes is built from its Go modules, which needs Go {major}.{minor} or later: install it from \
         https://go.dev/dl/, or with a package manager that has it, and put `go` on the PATH"
    );
    match version {
        None => Err(Environment(format!("there is no Go on this machine. {remedy}")).into()),
        Some(version) if parsed(version).is_some_and(|found| found >= GO) => Ok(()),
        Some(version) => Err(Environment(format!("this machine has {}. {remedy}", version.trim())).into()),
    }
}

/// `go1.26.8` as numbers.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim().strip_prefix("go")?.split(['.', '-', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
