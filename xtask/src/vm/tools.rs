//! Finds the programs that build and run a guest, and those inside it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt::Apt;
use super::print_line;
use crate::cache::Cache;
pub(super) use crate::run::capture as output;

const QEMU: &str = "qemu-system-x86_64";
/// bookworm's 7.2 crashes 6.12 guests at random.
const QEMU_AT_LEAST: u32 = 8;

/// Programs for this machine: name, Debian package, reason.
const HERE: [(&str, &str, &str); 5] = [
    (QEMU, "qemu-system-x86", "runs the guests; version 8 or later"),
    ("depmod", "kmod", "indexes the guests' modules"),
    ("lz4", "lz4", "unpacks kernels up to 6.1"),
    ("zstd", "zstd", "unpacks kernels after 6.1"),
    ("xz", "xz-utils", "unpacks modules"),
];

/// Programs for the guest, which the lab runs: name, Debian package.
pub(super) const THERE: [(&str, &str); 24] = [
    ("bash", "bash"),
    ("busybox", "busybox-static"),
    ("modprobe", "kmod"),
    ("lsmod", "kmod"),
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("ss", "iproute2"),
    ("bridge", "iproute2"),
    ("iptables", "iptables"),
    ("iptables-restore", "iptables"),
    ("iptables-save", "iptables"),
    ("ip6tables", "iptables"),
    ("ip6tables-restore", "iptables"),
    ("ip6tables-save", "iptables"),
    ("ipset", "ipset"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("sysctl", "procps"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("cat", "coreutils"),
];

/// Finds this machine's programs first, then those unpacked in the cache.
#[derive(Debug)]
pub(super) struct Tools {
    root: PathBuf,
}

impl Tools {
    /// Finds every program; unpacks the missing ones in the cache.
    pub(super) fn obtain(cache: &Cache, apt: &Apt) -> Result<Self> {
        let tools = Self { root: cache.path("tools") };
        let missing = tools.missing();
        if missing.is_empty() {
            return Ok(tools);
        }
        let packages = packages(&missing);
        if !apt.matches_host() {
            bail!("missing programs; run: sudo apt-get install {}", packages.join(" "));
        }
        print_line(&format!("fetching into {} (nothing is installed):", tools.root.display()));
        for (name, package, why) in &missing {
            print_line(&format!("  {package}: {name}, {why}"));
        }
        apt.unpack_with_dependencies(&packages, &tools.root).context("fetch the missing programs")?;
        match tools.missing().as_slice() {
            [] => Ok(tools),
            [(name, ..), ..] => bail!("no {name} after unpacking {}", packages.join(" ")),
        }
    }

    /// Returns a command that runs the program `name`.
    pub(super) fn command(&self, name: &str) -> Result<Command> {
        let path = self.find(name).with_context(|| format!("no program {name}"))?;
        let mut command = Command::new(&path);
        // Some programs contain several, and choose by the name of the call.
        command.arg0(name);
        if path.starts_with(&self.root) {
            command.env("LD_LIBRARY_PATH", self.library_path());
        }
        Ok(command)
    }

    /// Returns the path of `name`, with symlinks resolved.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        let own = || {
            let dirs = ["usr/bin", "usr/sbin", "bin", "sbin"];
            dirs.iter().find_map(|dir| resolve(&self.root, &self.root.join(dir).join(name)))
        };
        let found = on_path(name).filter(|path| name != QEMU || is_recent(path));
        found.or_else(own)
    }

    /// Returns the directories of QEMU's own files, when they aren't in its default place.
    pub(super) fn firmware(&self) -> Vec<PathBuf> {
        let dirs = ["usr/share/qemu", "usr/share/seabios"].map(|dir| self.root.join(dir));
        dirs.into_iter().filter(|dir| dir.is_dir()).collect()
    }

    /// Returns the machine's directory `dir`, or the one in the cache.
    pub(super) fn system_dir(&self, dir: &str) -> Option<PathBuf> {
        [Path::new("/").join(dir), self.root.join(dir)].into_iter().find(|dir| dir.is_dir())
    }

    /// Returns the shared libraries that a program or plugin loads, with the dynamic linker.
    pub(super) fn libraries(&self, program: &Path) -> Result<Vec<PathBuf>> {
        let mut ldd = Command::new("ldd");
        ldd.arg(program).env("LC_ALL", "C").env("LD_LIBRARY_PATH", self.library_path());
        // ldd fails on static programs, which need nothing.
        let listed = ldd.output().context("run ldd")?;
        parse_ldd(&String::from_utf8_lossy(&listed.stdout)).with_context(|| program.display().to_string())
    }

    fn library_path(&self) -> String {
        let root = self.root.display();
        format!("{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu")
    }

    fn missing(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let there = THERE.map(|(name, package)| (name, package, "for the guests"));
        HERE.into_iter().chain(there).filter(|(name, ..)| self.find(name).is_none()).collect()
    }
}

fn packages(missing: &[(&'static str, &'static str, &'static str)]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing.iter().map(|(_, package, _)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // The path of an ordinary user often lacks the last two.
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    dirs.map(|dir| dir.join(name)).find(|path| path.is_file())?.canonicalize().ok()
}

/// Follows symlinks inside an unpacked root, where absolute ones lead to the root's own files.
fn resolve(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..8 {
        let Ok(target) = fs::read_link(&path) else {
            return path.is_file().then_some(path);
        };
        path = match target.strip_prefix("/") {
            Ok(inside) => root.join(inside),
            Err(_) => path.parent()?.join(target),
        };
    }
    None
}

fn is_recent(qemu: &Path) -> bool {
    let version = output(Command::new(qemu).arg("--version")).unwrap_or_default();
    major(&version).is_some_and(|major| major >= QEMU_AT_LEAST)
}

fn major(version: &str) -> Option<u32> {
    version.split_once("version ")?.1.split('.').next()?.parse().ok()
}

fn parse_ldd(listing: &str) -> Result<Vec<PathBuf>> {
    let mut libraries = Vec::new();
    for line in listing.lines().map(str::trim) {
        let place = line.split_once(" => ").map_or(line, |(_, place)| place);
        if place == "not found" {
            bail!("library not found: {line}");
        }
        if place.starts_with('/') {
            libraries.push(place.split(" (").next().unwrap_or(place).into());
        }
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests;
