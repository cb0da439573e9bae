//! Checks the kernel's version and the machine.

use std::fs;

use crate::probes::host::check::{Check, KERNEL};

/// Holds a kernel's version, e.g. 6.12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    /// The whole text, e.g. `6.12.0-amd64`.
    release: String,
}

impl Version {
    fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.trim().splitn(3, '.');
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?;
        let end = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
        let minor = minor.get(..end)?.parse().ok()?;
        Some(Self { major, minor, release: release.trim().to_owned() })
    }

    pub(super) fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

/// Returns the running kernel's version; `None` when /proc can't be read.
pub(super) fn version() -> Option<Version> {
    Version::parse(&fs::read_to_string("/proc/sys/kernel/osrelease").ok()?)
}

pub(super) fn check(version: Option<&Version>) -> Check {
    match version {
        None => Check::warn(KERNEL, "version unknown", "mount /proc; 5.10 or newer is needed"),
        Some(version) if version.at_least(5, 10) => Check::ok(KERNEL, version.release.as_str()),
        Some(version) => {
            Check::fail(KERNEL, version.release.as_str(), "5.10 or newer is needed: upgrade the kernel")
        }
    }
}

pub(super) fn architecture() -> Check {
    const NAME: &str = "architecture";
    match std::env::consts::ARCH {
        tested @ "x86_64" => Check::ok(NAME, tested),
        other => Check::warn(NAME, other, "only x86_64 is tested"),
    }
}

#[cfg(test)]
mod tests;
