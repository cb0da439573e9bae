//! The cluster's programs, built from Go modules once for each version and kept in the user's cache.

mod helm;
mod krew;
pub(super) mod kubernetes;
mod tool;
mod victoria_logs;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::go;
use crate::cache::{Cache, fill};
use crate::image::archive::digest;
use crate::progress::Progress;
use crate::run::report_step;
pub(crate) use tool::Tool;

/// The part of the cache with the programs.
const CACHE: &str = "cluster-programs";
const KUBE_ROUTER: &str = "v2.1.0";
/// A version whose ServiceL2Status can stick: <https://github.com/metallb/metallb/issues/2930>.
pub(super) const METALLB: &str = "v0.15.2";
/// Without debug information.
const SMALL: &str = "-s -w";

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
    pub(super) helm: PathBuf,
}

impl Binaries {
    /// Where the programs are, or will be. The names change with what the programs are built from.
    fn places(cache: &Cache, version: &str) -> Self {
        let small = [SMALL];
        Self {
            kubernetes: kubernetes_place(cache, version),
            router: cache.path(&key("kube-router", KUBE_ROUTER, &small)),
            metallb: cache.path(&key("metallb", METALLB, &small)),
            peer: cache.path(&key("peer", "1", &[SMALL, PEER[0].1, PEER[1].1])),
            helm: Tool::Helm.place(cache),
        }
    }

    fn are_built(&self) -> bool {
        [&self.kubernetes, &self.router, &self.metallb, &self.peer, &self.helm].iter().all(|dir| dir.is_dir())
    }

    /// Fails with the remedy when something is to be built, and can't be.
    pub(super) fn can_be_had(version: &str) -> Result<()> {
        let places = Self::places(&Cache::open(CACHE)?, version);
        if places.are_built() { Ok(()) } else { go::need() }
    }

    /// Builds what is not in the cache yet.
    pub(super) fn ensure(root: &Path, version: &str) -> Result<Self> {
        let cache = Cache::open(CACHE)?;
        let places = Self::places(&cache, version);
        // Another process may hold the lock for minutes while it builds something else.
        if places.are_built() {
            return Ok(places);
        }
        let _lock = cache.lock()?;
        during(root, |progress| places.build(progress, version))?;
        Ok(places)
    }

    fn build(&self, progress: &Progress, version: &str) -> Result<()> {
        fill(&self.kubernetes, |dir| kubernetes::build(progress, version, dir))?;
        let router = format!("github.com/cloudnativelabs/kube-router/v2/cmd/kube-router@{KUBE_ROUTER}");
        fill(&self.router, |dir| install(progress, "kube-router", SMALL, &[router], dir))?;
        let metallb =
            ["controller", "speaker"].map(|part| format!("go.universe.tf/metallb/{part}@{METALLB}"));
        fill(&self.metallb, |dir| {
            install(progress, "MetalLB", SMALL, &metallb, dir)?;
            write_metallb_manifest(progress, dir)
        })?;
        fill(&self.peer, |dir| build_peer(progress, dir))?;
        fill(&self.helm, |dir| Tool::Helm.build(progress, dir))
    }
}

/// Fails with the remedy when Kubernetes is to be built, and can't be.
pub(super) fn kubernetes_can_be_had(version: &str) -> Result<()> {
    if kubernetes_place(&Cache::open(CACHE)?, version).is_dir() { Ok(()) } else { go::need() }
}

/// Returns the directory of Kubernetes' programs, which are built unless the cache has them.
pub(super) fn kubernetes(root: &Path, version: &str) -> Result<PathBuf> {
    let cache = Cache::open(CACHE)?;
    let place = kubernetes_place(&cache, version);
    if !place.is_dir() {
        let _lock = cache.lock()?;
        during(root, |progress| fill(&place, |dir| kubernetes::build(progress, version, dir)))?;
    }
    Ok(place)
}

fn kubernetes_place(cache: &Cache, version: &str) -> PathBuf {
    let flags = kubernetes::flags(version);
    let built_from = [&[&*flags], &kubernetes::COMPONENTS[..]].concat();
    cache.path(&key("kubernetes", version, &built_from))
}

/// Names a directory of programs by all that decides what they are.
fn key(name: &str, version: &str, built_from: &[&str]) -> String {
    let settings = go::SETTINGS.iter().flat_map(|(name, value)| [*name, *value]);
    let all: Vec<&str> = settings.chain(built_from.iter().copied()).collect();
    format!("{name}-{version}-{}", &digest(all.join("\0").as_bytes())[7..15])
}

fn during(root: &Path, build: impl FnOnce(&Progress) -> Result<()>) -> Result<()> {
    report_step("building programs of the cluster, once on this machine: up to 17 minutes on two processors");
    Progress::during(&root.join("target/setup"), build)
}

fn install(progress: &Progress, what: &str, flags: &str, packages: &[String], dir: &Path) -> Result<()> {
    let mut go = go::go(dir);
    go.env("GOBIN", dir).args(["install", "-ldflags", flags]).args(packages);
    progress.run(&format!("building {what}"), &mut go)
}

/// The project's manifest, with the images that are packed here.
fn write_metallb_manifest(progress: &Progress, dir: &Path) -> Result<()> {
    let module = go::download(progress, &format!("go.universe.tf/metallb@{METALLB}"), dir)?;
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

fn build_peer(progress: &Progress, dir: &Path) -> Result<()> {
    let source = dir.join("source");
    fs::create_dir(&source)?;
    for (name, text) in PEER {
        fs::write(source.join(name), text)?;
    }
    let mut build = go::go(&source);
    build.args(["build", "-ldflags", SMALL, "-o"]).arg(dir.join("peer")).arg(".");
    progress.run("building the tests' peer", &mut build)?;
    Ok(fs::remove_dir_all(source)?)
}

#[cfg(test)]
mod tests;
