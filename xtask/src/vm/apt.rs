//! Reads Debian's package indices and downloads packages, with an apt configuration of its own.
//!
//! The machine's apt sources, lists and packages stay as they are; only its list of installed packages is read, to
//! know which dependencies are missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::print_line;
use super::tools::output;
use crate::cache::Cache;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The releases that have the kernels, and whether the mirrors still have their backports.
const RELEASES: [(&str, bool); 3] = [("bullseye", false), ("bookworm", true), ("trixie", true)];
/// Old QEMUs crash new guests at random, so these come from backports.
const FROM_BACKPORTS: &str = "qemu-system-* seabios ipxe-qemu";
const LISTS_FRESH: Duration = Duration::from_secs(24 * 3600);

/// Runs apt with its own configuration.
#[derive(Debug)]
pub(super) struct Apt {
    dir: PathBuf,
    host: Host,
}

/// A package, its version, and the hash of its file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Deb {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sha256: String,
}

/// The distribution of this machine.
#[derive(Debug)]
struct Host {
    id: String,
    codename: String,
}

impl Apt {
    /// Writes the configuration, and reads the indices again when they are older than a day.
    pub(super) fn open(cache: &Cache) -> Result<Self> {
        let apt = Self { dir: cache.path("apt"), host: Host::read()? };
        apt.configure()?;
        apt.refresh()?;
        Ok(apt)
    }

    /// Is true when the machine's own packages come from the same archives.
    pub(super) fn matches_host(&self) -> bool {
        self.host.id == "debian"
    }

    /// Returns the newest cloud kernel of a series such as `6.1`.
    pub(super) fn kernel(&self, series: &str) -> Result<Deb> {
        let known = output(self.command("apt-cache").args(["show", "linux-image-cloud-amd64"]))?;
        let Some(version) = newest_of(&known, series) else {
            bail!("no Debian cloud kernel {series}; there are: {}", all_series(&known).join(" "));
        };
        let meta = format!("linux-image-cloud-amd64={version}");
        let stanza = output(self.command("apt-cache").args(["show", &meta]))?;
        let (name, version) = dependency(&stanza).with_context(|| format!("{meta} names no kernel"))?;
        let line = output(
            self.command("apt-get").args(["download", "--print-uris"]).arg(format!("{name}={version}")),
        )?;
        let sha256 = line.trim().rsplit_once("SHA256:").context("apt printed no SHA-256")?.1.to_owned();
        Ok(Deb { name, version, sha256 })
    }

    /// Downloads a package (apt checks its hash) and unpacks it into `to`.
    pub(super) fn unpack(&self, deb: &Deb, to: &Path) -> Result<()> {
        let downloads = to.join("download");
        fs::create_dir_all(&downloads)?;
        let wanted = format!("{}={}", deb.name, deb.version);
        output(self.command("apt-get").args(["-q", "download", &wanted]).current_dir(&downloads))?;
        unpack_all(&downloads, to)?;
        fs::remove_dir_all(downloads)?;
        Ok(())
    }

    /// Downloads packages with the dependencies this machine lacks, and unpacks them into `to`.
    pub(super) fn unpack_with_dependencies(&self, packages: &[&str], to: &Path) -> Result<()> {
        let archives = self.dir.join("cache/archives");
        let mut install = self.command("apt-get");
        install.args(["-q", "-y", "install", "--download-only", "--no-install-recommends"]).args(packages);
        output(&mut install)?;
        unpack_all(&archives, to)?;
        output(self.command("apt-get").arg("clean"))?;
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.dir.join("apt.conf")).env("LC_ALL", "C");
        command
    }

    fn configure(&self) -> Result<()> {
        ensure!(Path::new(KEYRING).exists(), "{KEYRING} is missing: install debian-archive-keyring");
        for dir in ["lists/partial", "cache/archives/partial", "empty"] {
            fs::create_dir_all(self.dir.join(dir))?;
        }
        fs::write(self.dir.join("sources.list"), self.sources())?;
        fs::write(self.dir.join("preferences"), self.preferences())?;
        fs::write(self.dir.join("apt.conf"), self.conf())?;
        Ok(())
    }

    fn sources(&self) -> String {
        let line = |site: &str, suite: String| {
            format!("deb [arch=amd64 signed-by={KEYRING}] http://deb.debian.org/{site} {suite} main\n")
        };
        let mut sources = String::new();
        for (release, backports) in RELEASES {
            sources += &line("debian", release.to_owned());
            sources += &line("debian-security", format!("{release}-security"));
            if backports {
                sources += &line("debian", format!("{release}-backports"));
            }
        }
        sources
    }

    /// Returns the preferences. Other releases offer only kernels, since tools from them would need their libc.
    fn preferences(&self) -> String {
        let mut text = String::new();
        for (release, _) in RELEASES.iter().filter(|(release, _)| *release != self.host.codename) {
            text += &format!("Package: *\nPin: release n={release}*\nPin-Priority: -1\n\n");
        }
        let backports = format!("{}-backports", self.host.codename);
        text + &format!("Package: {FROM_BACKPORTS}\nPin: release n={backports}\nPin-Priority: 990\n")
    }

    fn conf(&self) -> String {
        let dir = self.dir.display();
        // Old releases are no longer signed again, so their dates have passed; their signatures are still valid.
        format!(
            "Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"{dir}/empty\";\n\
             Dir::Etc::sourcelist \"{dir}/sources.list\";\nDir::Etc::sourceparts \"{dir}/empty\";\n\
             Dir::Etc::preferences \"{dir}/preferences\";\nDir::Etc::preferencesparts \"{dir}/empty\";\n\
             Dir::State::lists \"{dir}/lists\";\nDir::Cache \"{dir}/cache\";\n\
             Acquire::Languages \"none\";Acquire::GzipIndexes \"true\";\nAcquire::Check-Valid-Until \"false\";\nAcquire::Retries \"3\";\n\
             APT::Architecture \"amd64\";\nAPT::Sandbox::User \"\";\nDebug::NoLocking \"1\";\n"
        )
    }

    fn refresh(&self) -> Result<()> {
        let stamp = self.dir.join("refreshed");
        let sources = self.sources();
        let fresh = fs::metadata(&stamp)
            .and_then(|m| m.modified())
            .is_ok_and(|t| t.elapsed().is_ok_and(|e| e < LISTS_FRESH));
        if fresh && fs::read_to_string(&stamp).is_ok_and(|old| old == sources) {
            return Ok(());
        }
        print_line("reading Debian's package indices (30 MB), to find kernels and QEMU");
        match output(self.command("apt-get").args(["-q", "update"])) {
            Ok(_) => fs::write(stamp, sources)?,
            // Without a network the old indices are good enough.
            Err(error) => print_line(&format!("warning: {error:#}")),
        }
        Ok(())
    }
}

impl Host {
    fn read() -> Result<Self> {
        let text = fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
        let field = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches('"').to_owned()
        };
        Ok(Self { id: field("ID"), codename: field("VERSION_CODENAME") })
    }
}

fn unpack_all(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "deb") {
            output(Command::new("dpkg").arg("-x").arg(&path).arg(to))?;
        }
    }
    Ok(())
}

/// apt lists the versions of a package newest first.
fn newest_of<'a>(stanzas: &'a str, series: &str) -> Option<&'a str> {
    let prefix = format!("{series}.");
    versions(stanzas).find(|version| version.starts_with(&prefix))
}

fn versions(stanzas: &str) -> impl Iterator<Item = &str> {
    stanzas.lines().filter_map(|line| line.strip_prefix("Version: "))
}

fn all_series(stanzas: &str) -> Vec<String> {
    let mut all: Vec<String> =
        versions(stanzas).map(|v| v.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")).collect();
    all.dedup();
    all
}

/// `Depends: NAME (= VERSION)`.
fn dependency(stanza: &str) -> Option<(String, String)> {
    let line = stanza.lines().find_map(|line| line.strip_prefix("Depends: "))?;
    let (name, version) = line.split(", ").find_map(|part| part.split_once(" (= "))?;
    Some((name.to_owned(), version.trim_end_matches(')').to_owned()))
}

#[cfg(test)]
mod tests;
