//! Compiles the static program: the profile `image`, without the builder's paths.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::target::Arch;
use crate::run::{cargo, output, report_step, run};

/// The time in seconds that rustup gets to fetch a standard library (30 MB).
const RUSTUP_SECONDS: &str = "300";

/// Holds the compiler for the program. The eBPF object may need another one.
struct Compiler {
    sysroot: PathBuf,
    /// Is set when the standard library has to be compiled too: `(rustc, its libraries)`.
    build_std: Option<(PathBuf, PathBuf)>,
}

/// Builds and returns the program's path.
pub(super) fn build(root: &Path, arch: Arch) -> Result<PathBuf> {
    arch.ensure_compiler()?;
    let tools = EbpfToolchain::read(root)?;
    let compiler = Compiler::choose(arch, &tools)?;
    let triple = arch.triple();
    let remap = remap(root, &compiler, &tools)?;
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    flags.extend(remap.iter().cloned());
    let target_dir = root.join("target");
    let mut build = cargo(root, &["build", "--locked", "-p", "observer", "--bin", "flow-observer"]);
    build.args(["--profile", "image", "--target", &triple, "--target-dir"]).arg(&target_dir);
    build
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("FLOW_OBSERVER_EBPF_RUSTFLAGS", remap.join("\x1f"));
    if let Some(gcc) = arch.cross_compiler() {
        let name = triple.replace('-', "_");
        build
            .env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), &gcc)
            .env(format!("CC_{name}"), &gcc);
    }
    if let Some((rustc, libraries)) = &compiler.build_std {
        build.args(["-Zbuild-std=std,panic_unwind"]).env("RUSTC_BOOTSTRAP", "1");
        build.env("RUSTC", rustc).env("LD_LIBRARY_PATH", libraries);
    }
    run(&mut build)?;
    Ok(target_dir.join(triple).join("image/flow-observer"))
}

impl Compiler {
    /// Returns the default toolchain where it has, or can get, the standard library for `arch`; else the toolchain of
    /// the eBPF target, which comes with the library's source.
    fn choose(arch: Arch, tools: &EbpfToolchain) -> Result<Self> {
        let sysroot = sysroot(Path::new("rustc"))?;
        let installed = |sysroot: &Path| sysroot.join("lib/rustlib").join(arch.triple()).join("lib").exists();
        if !installed(&sysroot) {
            report_step(&format!("fetching Rust's standard library for {}", arch.triple()));
            let mut rustup = Command::new("timeout");
            rustup.args(["--foreground", RUSTUP_SECONDS, "rustup", "target", "add", &arch.triple()]);
            if let Err(why) = run(&mut rustup) {
                report_step(&format!(
                    "rustup can't fetch it ({why:#}); compiling it from the eBPF toolchain's source"
                ));
            }
        }
        if installed(&sysroot) {
            return Ok(Self { sysroot, build_std: None });
        }
        let sysroot = tools.sysroot.clone();
        Ok(Self { sysroot, build_std: Some((tools.rustc.clone(), tools.libraries.clone())) })
    }
}

/// Holds the toolchain that `cargo xtask setup` found or unpacked.
struct EbpfToolchain {
    rustc: PathBuf,
    libraries: PathBuf,
    sysroot: PathBuf,
}

impl EbpfToolchain {
    fn read(root: &Path) -> Result<Self> {
        let path = root.join("target/tools/ebpf-toolchain");
        let text = fs::read_to_string(&path).with_context(|| format!("{} can't be read", path.display()))?;
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.map(PathBuf::from).with_context(|| format!("{} has no {key}", path.display()))
        };
        let (rustc, libraries) = (value("rustc")?, value("libraries")?);
        // DIR/bin/rustc
        let sysroot = rustc.ancestors().nth(2).unwrap_or(&rustc).to_owned();
        Ok(Self { rustc, libraries, sysroot })
    }
}

fn sysroot(rustc: &Path) -> Result<PathBuf> {
    let text = output(&rustc.to_string_lossy(), &["--print", "sysroot"]).context("rustc doesn't run")?;
    Ok(text.trim().into())
}

/// Returns flags that replace the paths which differ between builders. Where several match, rustc takes the last, so
/// the checkout comes first: the tools may lie inside it.
fn remap(root: &Path, compiler: &Compiler, tools: &EbpfToolchain) -> Result<Vec<String>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("no home directory")?;
    let mut flags = Vec::new();
    for (path, name) in [
        (root, "/flow-observer"),
        (home.as_path(), "/cargo"),
        (compiler.sysroot.as_path(), "/rust"),
        (tools.sysroot.as_path(), "/rust"),
    ] {
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        for path in [path.to_owned(), real] {
            flags.push(format!("--remap-path-prefix={}={name}", path.display()));
        }
    }
    Ok(flags)
}
