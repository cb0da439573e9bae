//! Packs the guest's root filesystem: this machine's tools, the scripts, and the binaries under test.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cpio::Archive;
use super::kernel::Kernel;
use super::payload::Payload;
use super::tools::{THERE, Tools, output};

const LIB: &str = "usr/lib/x86_64-linux-gnu";
/// iptables loads its matches and targets from here.
const XTABLES: &str = "usr/lib/x86_64-linux-gnu/xtables";
const ETC: [&str; 4] = ["etc/protocols", "etc/services", "etc/iproute2/rt_tables", "etc/ethertypes"];
/// Links and their targets. They are relative, so that they also work where the archive is unpacked elsewhere.
const LINKS: [(&str, &str); 5] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("usr/sbin", "bin"),
];

/// Holds the part of the initramfs that is the same for every kernel.
#[derive(Debug)]
pub(super) struct Guest {
    base: PathBuf,
}

impl Guest {
    /// Packs everything into a file in `scratch`.
    pub(super) fn pack(tools: &Tools, payload: Option<&Payload>, scratch: &Path) -> Result<Self> {
        let mut root = Root { archive: Archive::default(), tools, libraries: BTreeSet::new() };
        root.skeleton();
        root.userland()?;
        root.run_script(payload, scratch)?;
        root.copy_libraries()?;
        let guest = Self { base: scratch.join("guest.cpio") };
        root.archive.write(&mut io::BufWriter::new(File::create(&guest.base)?))?;
        Ok(guest)
    }

    /// Writes the initramfs for one kernel to `to`: one archive after the other.
    pub(super) fn initramfs(&self, kernel: &Kernel, to: &Path) -> Result<()> {
        let mut out = File::create(to)?;
        for part in [&self.base, &kernel.modules()] {
            let mut part = File::open(part).with_context(|| format!("open {}", part.display()))?;
            io::copy(&mut part, &mut out)?;
        }
        Ok(out.flush()?)
    }
}

struct Root<'a> {
    archive: Archive,
    tools: &'a Tools,
    libraries: BTreeSet<PathBuf>,
}

impl Root<'_> {
    fn skeleton(&mut self) {
        for dir in
            ["dev", "proc", "sys", "run", "tmp", "root", "var", "etc", "usr/bin", "usr/lib", "usr/lib64"]
        {
            self.archive.dir(dir);
        }
        for (path, target) in LINKS {
            self.archive.symlink(path, target);
        }
        self.archive.symlink("var/run", "../run");
        self.archive.file(
            "etc/passwd",
            0o644,
            "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n",
        );
        self.archive.file("etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\n");
        self.archive.file("etc/hosts", 0o644, "127.0.0.1 localhost\n::1 localhost\n");
        self.archive.file("init", 0o755, include_str!("init.sh"));
        self.archive.file("vm/check", 0o755, include_str!("check.sh"));
    }

    fn userland(&mut self) -> Result<()> {
        for (name, _) in THERE {
            let path = self.tools.find(name).with_context(|| format!("no program {name}"))?;
            let real =
                path.file_name().and_then(|n| n.to_str()).context("a program without a name")?.to_owned();
            self.program(&format!("usr/bin/{real}"), &path)?;
            if real != name {
                self.archive.symlink(&format!("usr/bin/{name}"), &real);
            }
        }
        for applet in output(self.tools.command("busybox")?.arg("--list"))?.lines() {
            self.archive.symlink(&format!("opt/busybox/{applet}"), "../../usr/bin/busybox");
        }
        if let Some(plugins) = self.tools.system_dir(XTABLES) {
            for plugin in fs::read_dir(plugins)? {
                let plugin = plugin?;
                self.program(&format!("{XTABLES}/{}", plugin.file_name().to_string_lossy()), &plugin.path())?;
            }
        }
        for path in ETC {
            let from = Path::new("/").join(path);
            if from.exists() {
                self.archive.copy(path, &from)?;
            }
        }
        Ok(())
    }

    fn program(&mut self, path: &str, from: &Path) -> Result<()> {
        self.libraries.extend(self.tools.libraries(from)?);
        self.archive.copy(path, from)
    }

    fn copy_libraries(&mut self) -> Result<()> {
        for library in std::mem::take(&mut self.libraries) {
            let name = library.file_name().and_then(|n| n.to_str()).context("a library without a name")?;
            let dir = if name.starts_with("ld-linux") { "usr/lib64" } else { LIB };
            self.archive.copy(&format!("{dir}/{name}"), &library)?;
        }
        Ok(())
    }

    fn run_script(&mut self, payload: Option<&Payload>, scratch: &Path) -> Result<()> {
        let mut script = String::from("#!/usr/bin/bash\nset -e\n/vm/check\n");
        if let Some(payload) = payload {
            self.stripped("vm/flow-observer", &payload.agent, scratch)?;
            self.stripped("vm/core", &payload.tests, scratch)?;
            script += "/vm/flow-observer doctor\nexport FLOW_OBSERVER_BIN=/vm/flow-observer\n";
            script += "/vm/core --test-threads=1";
            if let Some(filter) = &payload.filter {
                script += &format!(" '{}'", filter.replace('\'', r"'\''"));
            }
            script.push('\n');
        }
        self.archive.file("vm/run", 0o755, script);
        Ok(())
    }

    /// Adds a program without its debug information, which would fill the guest's memory.
    fn stripped(&mut self, path: &str, from: &Path, scratch: &Path) -> Result<()> {
        let small = scratch.join("stripped");
        output(Command::new("strip").arg("-o").arg(&small).arg(from))?;
        let added = self.program(path, &small);
        fs::remove_file(small)?;
        added
    }
}
