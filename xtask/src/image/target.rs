//! The architectures of images, and the tools that building for them needs.

use anyhow::{Context as _, Result};

use crate::run::{Environment, output};

/// An architecture by its name in Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    pub(crate) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Returns this machine's architecture.
    pub(crate) fn host() -> Result<Self> {
        let arch = std::env::consts::ARCH;
        let found = Self::ALL.into_iter().find(|a| a.machine() == arch);
        found.with_context(|| format!("no image for {arch}: give --arch amd64 or --arch arm64"))
    }

    pub(crate) fn goarch(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Returns the name in the kernel and in Rust.
    pub(super) fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    pub(super) fn triple(self) -> String {
        format!("{}-unknown-linux-gnu", self.machine())
    }

    /// Returns Debian's cross compiler for it, or `None` on a machine of this architecture.
    pub(super) fn cross_compiler(self) -> Option<String> {
        (std::env::consts::ARCH != self.machine()).then(|| format!("{}-linux-gnu-gcc", self.machine()))
    }

    /// Returns the packages of the cross compiler.
    fn cross_packages(self) -> String {
        let gcc = self.machine().replace('_', "-");
        format!("gcc-{gcc}-linux-gnu libc6-dev-{}-cross", self.goarch())
    }

    /// Returns the package of the C library that is linked.
    pub(super) fn libc_package(self) -> String {
        match self.cross_compiler() {
            Some(_) => format!("libc6-dev-{}-cross", self.goarch()),
            None => "libc6-dev".to_owned(),
        }
    }

    /// Installs the cross compiler where one is needed and missing.
    pub(super) fn ensure_compiler(self) -> Result<()> {
        let Some(compiler) = self.cross_compiler() else { return Ok(()) };
        ensure(&compiler, &self.cross_packages(), "cross compiler for the image")
    }

    /// Returns the emulator of this architecture, and installs it where it is missing; `None` where none is needed.
    pub(super) fn ensure_emulator(self) -> Result<Option<String>> {
        if self.cross_compiler().is_none() {
            return Ok(None);
        }
        let emulator = format!("qemu-{}-static", self.machine());
        ensure(&emulator, "qemu-user-static", "runs the program once, to see that it starts")?;
        Ok(Some(emulator))
    }
}

/// Installs `packages` unless `program` runs.
fn ensure(program: &str, packages: &str, why: &str) -> Result<()> {
    if output(program, &["--version"]).is_some() {
        return Ok(());
    }
    let by_hand =
        || Environment(format!("no {program}: as root, apt-get install --no-install-recommends {packages}"));
    if !nix::unistd::geteuid().is_root() || output("apt-get", &["--version"]).is_none() {
        return Err(by_hand().into());
    }
    crate::setup::install(&packages.split(' ').collect::<Vec<_>>(), why)?;
    output(program, &["--version"]).map(drop).with_context(by_hand)
}

#[cfg(test)]
mod tests;
