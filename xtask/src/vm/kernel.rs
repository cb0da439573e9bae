//! Prepares Debian's cloud kernels for booting.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use super::apt::Apt;
use super::cpio::Archive;
use super::print_line;
use super::tools::{Tools, output};
use crate::cache::Cache;

/// The directories of modules that the lab may need. Their dependencies are in them, or built in.
const MODULES: [&str; 18] = [
    "arch/x86/crypto",
    "crypto",
    "lib",
    "drivers/net/bonding",
    "drivers/net/ipvlan",
    "drivers/net/vxlan",
    "drivers/net/wireguard",
    "net/802",
    "net/8021q",
    "net/bridge",
    "net/core",
    "net/ipv4",
    "net/ipv6",
    "net/llc",
    "net/netfilter",
    "net/packet",
    "net/sched",
    "net/xfrm",
];

/// A kernel in the cache.
#[derive(Debug)]
pub(super) struct Kernel {
    /// The series, e.g. `6.1`.
    pub(super) series: String,
    /// The package's version, e.g. `6.1.192-2`.
    pub(super) version: String,
    dir: PathBuf,
}

impl Kernel {
    /// Finds the newest kernel of a series; downloads and unpacks it unless the cache has it.
    pub(super) fn obtain(cache: &Cache, apt: &Apt, tools: &Tools, series: &str) -> Result<Self> {
        let deb = apt.kernel(series)?;
        let hash = deb.sha256.get(..12).context("apt printed a SHA-256 that is too short")?;
        fs::create_dir_all(cache.path("kernels"))?;
        let dir = cache.dir(&format!("kernels/{}-{hash}", deb.version), |dir| {
            print_line(&format!("fetching {} {} into the cache, to boot it", deb.name, deb.version));
            apt.unpack(&deb, dir)?;
            prepare(tools, dir).with_context(|| format!("prepare {}", deb.name))
        })?;
        Ok(Self { series: series.to_owned(), version: deb.version, dir })
    }

    /// Returns the uncompressed kernel.
    pub(super) fn image(&self) -> PathBuf {
        self.dir.join("vmlinux")
    }

    /// Returns its modules, as an initramfs.
    pub(super) fn modules(&self) -> PathBuf {
        self.dir.join("modules.cpio")
    }
}

/// Turns an unpacked package into the two files that QEMU needs.
fn prepare(tools: &Tools, dir: &Path) -> Result<()> {
    let boot = dir.join("boot");
    let image = find(&boot, "vmlinuz-")?;
    let name = image.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let release = name.trim_start_matches("vmlinuz-");
    uncompress(tools, &fs::read(&image)?, &dir.join("vmlinux"))?;
    pack_modules(tools, dir, release)?;
    for rest in ["boot", "lib", "usr"] {
        if dir.join(rest).exists() {
            fs::remove_dir_all(dir.join(rest))?;
        }
    }
    Ok(())
}

fn find(dir: &Path, prefix: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(dir).with_context(|| format!("no {}", dir.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            return Ok(entry.path());
        }
    }
    bail!("no {prefix}* in {}", dir.display())
}

/// Uncompresses the kernel, since that takes seconds under emulation.
fn uncompress(tools: &Tools, image: &[u8], to: &Path) -> Result<()> {
    let payload = payload(image).context("not a bzImage")?;
    let mut command = match payload {
        [0x02, 0x21, 0x4c, 0x18, ..] => tools.command("lz4")?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => tools.command("zstd")?,
        [0xfd, b'7', b'z', ..] => tools.command("xz")?,
        _ => bail!("unknown compression {:02x?}", &payload[..payload.len().min(6)]),
    };
    let mut child = command
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(File::create(to)?)
        .stderr(Stdio::null())
        .spawn()
        .context("uncompress the kernel")?;
    // The last four bytes are the size, which is no part of the stream.
    let stream = &payload[..payload.len() - 4];
    child.stdin.take().context("no pipe")?.write_all(stream)?;
    let status = child.wait()?;
    ensure!(status.success(), "uncompress the kernel: {status}");
    ensure!(fs::read(to)?.starts_with(b"\x7fELF"), "the uncompressed kernel is no ELF file");
    Ok(())
}

/// Returns the compressed kernel inside a bzImage, by the offsets in its header (Documentation/arch/x86/boot.rst).
fn payload(image: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?) as usize);
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let setup = match image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(*sectors),
    };
    let start = (setup + 1) * 512 + word(0x248)?;
    image.get(start..start + word(0x24c)?).filter(|payload| payload.len() > 8)
}

fn pack_modules(tools: &Tools, dir: &Path, release: &str) -> Result<()> {
    let from = [dir.join("lib/modules"), dir.join("usr/lib/modules")]
        .into_iter()
        .map(|modules| modules.join(release))
        .find(|modules| modules.is_dir())
        .context("no modules")?;
    let stage = dir.join("stage");
    let to = stage.join("lib/modules").join(release);
    let mut compressed = Vec::new();
    for file in chosen(&from)? {
        let copy = to.join(file.strip_prefix(&from)?);
        fs::create_dir_all(copy.parent().context("no parent")?)?;
        fs::copy(&file, &copy)?;
        if copy.extension().is_some_and(|e| e == "xz") {
            compressed.push(copy);
        }
    }
    if !compressed.is_empty() {
        output(tools.command("xz")?.arg("-d").args(&compressed))?;
    }
    output(tools.command("depmod")?.arg("-b").arg(&stage).arg(release))?;
    let mut archive = Archive::default();
    for file in files(&to)? {
        let path = file.strip_prefix(&stage)?.to_str().context("a name that is not UTF-8")?;
        // The guest's /lib is a link to /usr/lib.
        archive.copy(&format!("usr/{path}"), &file)?;
    }
    archive.write(&mut File::create(dir.join("modules.cpio"))?)?;
    fs::remove_dir_all(stage)?;
    Ok(())
}

/// Returns the modules to pack, and the lists that depmod reads.
fn chosen(from: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for dir in MODULES.map(|dir| from.join("kernel").join(dir)) {
        // Each kernel has some of them built in.
        if dir.is_dir() {
            all.extend(files(&dir)?);
        }
    }
    for dir in [from.join("kernel/drivers/net"), from.to_owned()] {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_file() {
                all.push(path);
            }
        }
    }
    Ok(all)
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else {
            all.push(path);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
