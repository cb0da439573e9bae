//! The cluster's programs, built from Go modules once for each version and kept in the user's cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{go, packages};
use crate::cache::Cache;
use crate::image::archive::digest;
use crate::run::report_step;

/// The part of the cache with the programs.
const CACHE: &str = "cluster-programs";
const KUBE_ROUTER: &str = "v2.1.0";
/// A version whose ServiceL2Status can stick: <https://github.com/metallb/metallb/issues/2930>.
pub(super) const METALLB: &str = "v0.15.2";
/// The oldest version whose modules are all published.
const OLDEST: (u32, u32, u32) = (1, 30, 14);

const COMPONENTS: [&str; 6] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"];
/// The programs in the pods of the tests.
const PEER: [(&str, &str); 2] = [
    ("go.mod", include_str!("programs/peer/go.mod.txt")),
    ("main.go", include_str!("programs/peer/main.go.txt")),
];

/// Directories of built programs.
#[derive(Debug)]
pub(super) struct Binaries {
    pub(super) kubernetes: PathBuf,
    pub(super) router: PathBuf,
    pub(super) metallb: PathBuf,
    pub(super) peer: PathBuf,
}

/// Checks a version of Kubernetes, `1.34.4`.
pub(super) fn version(text: &str) -> Result<String, String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let numbers: Vec<u32> = text.split('.').map_while(|part| part.parse().ok()).collect();
    match numbers[..] {
        [major, minor, patch] if text.split('.').count() == 3 && (major, minor, patch) >= OLDEST => {
            Ok(text.to_owned())
        }
        _ => Err("expected a version such as 1.34.4, from 1.30.14 on".to_owned()),
    }
}

impl Binaries {
    /// Builds what is not in the cache yet.
    pub(super) fn ensure(kubernetes: &str) -> Result<Self> {
        let cache = Cache::open(CACHE)?;
        let _lock = cache.lock()?;
        let installed = |name: &str, packages: &[&str]| {
            cache.dir(name, |dir| {
                report_step(&format!("building {name} (once on this machine, about 2 minutes)"));
                packages.iter().try_for_each(|package| install(name, package, dir))
            })
        };
        let metallb =
            ["controller", "speaker"].map(|part| format!("go.universe.tf/metallb/{part}@{METALLB}"));
        Ok(Self {
            kubernetes: kubernetes_in(&cache, kubernetes)?,
            router: installed(
                &format!("kube-router-{KUBE_ROUTER}"),
                &[&format!("github.com/cloudnativelabs/kube-router/v2/cmd/kube-router@{KUBE_ROUTER}")],
            )?,
            metallb: cache.dir(&format!("metallb-{METALLB}"), |dir| {
                report_step(&format!("building MetalLB {METALLB} (once on this machine, about 2 minutes)"));
                metallb.iter().try_for_each(|package| install("MetalLB", package, dir))?;
                write_metallb_manifest(dir)
            })?,
            peer: cache.dir(&peer_name(), build_peer)?,
        })
    }
}

/// Returns the directory of Kubernetes' programs, which are built unless the cache has them.
pub(super) fn kubernetes(version: &str) -> Result<PathBuf> {
    let cache = Cache::open(CACHE)?;
    let built = cache.path(&directory(version));
    // Another process may hold the lock for minutes while it builds something else.
    if built.is_dir() {
        return Ok(built);
    }
    packages::ensure_go()?;
    let _lock = cache.lock()?;
    kubernetes_in(&cache, version)
}

fn kubernetes_in(cache: &Cache, version: &str) -> Result<PathBuf> {
    cache.dir(&directory(version), |dir| {
        report_step(&format!("building Kubernetes {version} (once on this machine, about 8 minutes)"));
        build_kubernetes(version, dir)
    })
}

fn directory(version: &str) -> String {
    format!("kubernetes-{version}")
}

fn install(what: &str, package: &str, dir: &Path) -> Result<()> {
    let mut go = go::go(dir);
    go.env("GOBIN", dir).args(["install", "-v", "-trimpath", "-ldflags", "-s -w", package]);
    go::run(what, &mut go)
}

/// `k8s.io/kubernetes` replaces its staging modules by folders, which `go install` refuses: a module of our own names the
/// published ones.
fn build_kubernetes(version: &str, dir: &Path) -> Result<()> {
    let source = dir.join("source");
    fs::create_dir(&source)?;
    let module = go::download(&format!("k8s.io/kubernetes@v{version}"), &source)?;
    let go_mod = fs::read_to_string(&module.go_mod).with_context(|| module.go_mod.clone())?;
    fs::write(source.join("go.mod"), go_module(version, &go_mod))?;
    let imports: String =
        COMPONENTS.iter().map(|name| format!("import _ \"k8s.io/kubernetes/cmd/{name}\"\n")).collect();
    fs::write(source.join("tools.go"), format!("//go:build tools\n\npackage tools\n\n{imports}"))?;
    go::run("resolving Kubernetes' modules", go::go(&source).args(["mod", "tidy"]))?;
    let mut build = go::go(&source);
    build.args(["build", "-v", "-trimpath", "-ldflags", &version_flags(version), "-o"]).arg(dir);
    build.args(COMPONENTS.map(|name| format!("k8s.io/kubernetes/cmd/{name}")));
    go::run("Kubernetes", &mut build)?;
    fs::remove_dir_all(source)?;
    Ok(())
}

fn go_module(version: &str, upstream: &str) -> String {
    let go = upstream.lines().find(|line| line.starts_with("go ")).unwrap_or("go 1.24.0");
    let staging = version.split_once('.').map_or(version, |(_, rest)| rest);
    let mut names: Vec<&str> = upstream
        .lines()
        .filter(|line| line.contains("=> ./staging/"))
        .filter_map(|line| line.trim().trim_start_matches("replace ").split_whitespace().next())
        .collect();
    names.sort_unstable();
    names.dedup();
    let replaced: String = names.iter().map(|name| format!("\t{name} => {name} v0.{staging}\n")).collect();
    format!("module cluster\n\n{go}\n\nrequire k8s.io/kubernetes v{version}\n\nreplace (\n{replaced})\n")
}

/// The version that nodes report, marked as k3s does: agents recognise k3s by it.
fn version_flags(version: &str) -> String {
    let minor = version.split('.').nth(1).unwrap_or_default();
    let mut flags = "-s -w".to_owned();
    for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
        for (name, value) in
            [("gitVersion", &*format!("v{version}+k3s1")), ("gitMajor", "1"), ("gitMinor", minor)]
        {
            flags.push_str(&format!(" -X {package}.{name}={value}"));
        }
    }
    flags
}

/// The project's manifest, with the images that are packed here.
fn write_metallb_manifest(dir: &Path) -> Result<()> {
    let module = go::download(&format!("go.universe.tf/metallb@{METALLB}"), dir)?;
    let path = Path::new(&module.dir).join("config/manifests/metallb-native.yaml");
    let manifest = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let packed = manifest.replace("quay.io/metallb/", "localhost/metallb-");
    anyhow::ensure!(
        ["controller", "speaker"]
            .iter()
            .all(|part| packed.contains(&format!("localhost/metallb-{part}:{METALLB}"))),
        "{} has other images than expected",
        path.display()
    );
    fs::write(dir.join("metallb.yaml"), packed)?;
    Ok(())
}

/// Changes with the source.
fn peer_name() -> String {
    let source: String = PEER.iter().map(|(_, text)| *text).collect();
    format!("peer-{}", &digest(source.as_bytes())[7..19])
}

fn build_peer(dir: &Path) -> Result<()> {
    let source = dir.join("source");
    fs::create_dir(&source)?;
    for (name, text) in PEER {
        fs::write(source.join(name), text)?;
    }
    let mut build = go::go(&source);
    build.args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]).arg(dir.join("peer")).arg(".");
    go::run("peer", &mut build)?;
    fs::remove_dir_all(source)?;
    Ok(())
}

#[cfg(test)]
mod tests;
