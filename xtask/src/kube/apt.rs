//! Downloads bookworm's packages and sources with an apt configuration of its own: the machine's stays as it is.
//!
//! apt checks signatures and hashes of all downloads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::run::{Environment, capture};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The last Debian release with a Kubernetes that its own Go compiles.
const RELEASE: &str = "bookworm";

/// Programs that this module runs, and Debian's packages of them.
const TOOLS: [(&str, &str); 3] = [("apt-get", "apt"), ("dpkg-source", "dpkg-dev"), ("dpkg-deb", "dpkg")];

#[derive(Debug)]
pub(super) struct Apt {
    dir: PathBuf,
}

impl Apt {
    /// Reads the release's package indices.
    pub(super) fn open(cache: &Cache) -> Result<Self> {
        need_tools()?;
        let apt = Self { dir: cache.path("apt") };
        apt.configure()?;
        capture(apt.command("apt-get").args(["-q", "update"])).context("read Debian's package indices")?;
        Ok(apt)
    }

    /// Returns the version of a source package.
    pub(super) fn source_version(&self, package: &str) -> Result<String> {
        let known = capture(self.command("apt-cache").args(["showsrc", package]))?;
        let version = known.lines().find_map(|line| line.strip_prefix("Version: "));
        version.map(str::to_owned).with_context(|| format!("{RELEASE} has no source package {package}"))
    }

    /// Downloads binary packages in the order given, unless they are there already.
    pub(super) fn download(&self, packages: &[&str], to: &Path) -> Result<()> {
        fs::create_dir_all(to)?;
        capture(self.command("apt-get").args(["-q", "download"]).args(packages).current_dir(to)).map(drop)
    }

    /// Downloads a source package, unless it is there already, and returns its description.
    pub(super) fn download_source(&self, package: &str, version: &str, to: &Path) -> Result<PathBuf> {
        fs::create_dir_all(to)?;
        let wanted = format!("{package}={version}");
        let args = ["-q", "source", "--download-only", &wanted];
        capture(self.command("apt-get").args(args).current_dir(to))?;
        // File names have no epoch.
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        Ok(to.join(format!("{package}_{version}.dsc")))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.dir.join("apt.conf")).env("LC_ALL", "C");
        command
    }

    fn configure(&self) -> Result<()> {
        for dir in ["lists/partial", "cache/archives/partial", "empty"] {
            fs::create_dir_all(self.dir.join(dir))?;
        }
        fs::write(self.dir.join("sources.list"), sources())?;
        fs::write(self.dir.join("apt.conf"), self.conf())?;
        Ok(())
    }

    fn conf(&self) -> String {
        let dir = self.dir.display();
        format!(
            "Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"{dir}/empty\";\n\
             Dir::Etc::sourcelist \"{dir}/sources.list\";\nDir::Etc::sourceparts \"{dir}/empty\";\n\
             Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"{dir}/empty\";\n\
             Dir::State::lists \"{dir}/lists\";\nDir::Cache \"{dir}/cache\";\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"3\";\n\
             APT::Sandbox::User \"\";\nDebug::NoLocking \"1\";\n"
        )
    }
}

/// Returns the sources. Security updates have an archive of their own.
fn sources() -> String {
    let mut sources = String::new();
    for kind in ["deb", "deb-src"] {
        for (site, suite) in
            [("debian", RELEASE.to_owned()), ("debian-security", format!("{RELEASE}-security"))]
        {
            sources += &format!("{kind} [signed-by={KEYRING}] http://deb.debian.org/{site} {suite} main\n");
        }
    }
    sources
}

fn need_tools() -> Result<()> {
    if !Path::new(KEYRING).exists() {
        bail!(Environment(format!("{KEYRING} is missing: install debian-archive-keyring, then run again")));
    }
    for (program, package) in TOOLS {
        if Command::new(program).arg("--version").output().is_err() {
            bail!(Environment(format!(
                "{program} is missing: install Debian's package {package}, then run again"
            )));
        }
    }
    Ok(())
}
