//! The kernel's version and the machine.

use std::fs;

use crate::probes::host::{Check, KERNEL};

/// A kernel's version, e.g. 6.12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    /// As the kernel calls itself.
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

/// The running kernel's; `None` when /proc can't be read.
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
mod tests {
    use super::*;

    #[test]
    fn releases_are_read() {
        let check = |release: &str, major, minor| {
            let version = Version::parse(release).unwrap();
            assert_eq!((version.major, version.minor), (major, minor), "{release}");
        };
        check("5.10.0-33-cloud-amd64\n", 5, 10);
        check("6.18.44-fc-v669", 6, 18);
        check("7.2-rc1", 7, 2);
        check("6.1", 6, 1);
        assert_eq!(Version::parse("linux"), None);
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn versions_compare_by_number() {
        let version = Version::parse("5.10.1").unwrap();
        assert!(version.at_least(5, 9) && version.at_least(5, 10) && version.at_least(4, 20));
        assert!(!version.at_least(5, 11) && !version.at_least(6, 1));
        assert_eq!(check(Some(&version)).status, crate::probes::host::Status::Ok);
        let old = Version::parse("5.4.0").unwrap();
        assert_eq!(check(Some(&old)).status, crate::probes::host::Status::Fail);
    }
}
