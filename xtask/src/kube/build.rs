//! Builds a directory with programs from Debian's packages. Each step's result appears completely or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::Apt;
use super::go::Go;
use super::{openapi, source, step, suffix};
use crate::cache::Cache;
use crate::run::{Environment, capture, report_step};

/// Go with its library, etcd, kubectl, and a newer version of a library in the source.
const PACKAGES: [&str; 5] = [
    "golang-1.19-go",
    "golang-1.19-src",
    "etcd-server",
    "kubernetes-client",
    "golang-github-modern-go-reflect2-dev",
];

/// The disk space in gigabytes that a build needs.
const SPACE: u64 = 3;

/// Builds into the cache, whose lock the caller holds, and makes `current` name the result.
pub(super) fn build(cache: &Cache) -> Result<PathBuf> {
    need_space(&cache.path("."))?;
    report_step(
        "no kube-apiserver in the cache: building one for the tests, once for this machine (3 to 6 minutes)",
    );
    let apt = step("reading Debian's package indices (10 MB)", || Apt::open(cache))?;
    let version = apt.source_version("kubernetes")?;
    let work = format!("work-{version}");
    let (root, gopath) = prepare(cache, &apt, &work, &version)?;
    let go = Go::new(&root, &gopath, &cache.path(&work).join("gocache"));
    step("generating the OpenAPI definitions (a minute)", || openapi::generate(&go, &cache.path(&work)))?;
    let name = format!("{version}{}", suffix());
    let built = cache.dir(&name, |dir| {
        step("compiling kube-apiserver (2 to 5 minutes)", || compile(&go, &version, &root, &dir.join("bin")))
    })?;
    point_to(cache, &name)?;
    fs::remove_dir_all(cache.path(&work)).context("remove the build's temporary files")?;
    report_step(&format!("kube-apiserver is in {}", built.display()));
    Ok(built)
}

/// Returns the unpacked packages, and the GOPATH with the source.
fn prepare(cache: &Cache, apt: &Apt, work: &str, version: &str) -> Result<(PathBuf, PathBuf)> {
    let downloads = cache.path(work).join("downloads");
    let dsc = step("downloading Go, etcd, kubectl and Kubernetes' source (120 MB)", || {
        apt.download(&PACKAGES, &downloads)?;
        apt.download_source("kubernetes", version, &downloads)
    })?;
    let root = cache.dir(&format!("{work}/root"), |dir| unpack_all(&downloads, dir))?;
    let gopath = cache.dir(&format!("{work}/gopath"), |dir| {
        step("unpacking the source", || source::unpack(&dsc, &root, dir))
    })?;
    Ok((root, gopath))
}

fn unpack_all(downloads: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(downloads)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "deb") {
            capture(Command::new("dpkg-deb").arg("-x").arg(&path).arg(to))?;
        }
    }
    Ok(())
}

fn compile(go: &Go, version: &str, root: &Path, bin: &Path) -> Result<()> {
    fs::create_dir_all(bin)?;
    go.build(
        "kube-apiserver",
        "./cmd/kube-apiserver",
        &bin.join("kube-apiserver"),
        &["-ldflags", &link(version)],
    )?;
    for program in ["etcd", "kubectl"] {
        let from = root.join("usr/bin").join(program);
        fs::copy(&from, bin.join(program)).with_context(|| from.display().to_string())?;
    }
    Ok(())
}

/// Returns linker flags: without symbols, and with the version that `/version` answers.
fn link(version: &str) -> String {
    let upstream = upstream(version);
    let mut parts = upstream.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut flags = String::from("-s -w");
    for package in ["client-go/pkg/version", "component-base/version"] {
        for (name, value) in
            [("gitVersion", format!("v{upstream}")), ("gitMajor", major.into()), ("gitMinor", minor.into())]
        {
            flags += &format!(" -X k8s.io/kubernetes/vendor/k8s.io/{package}.{name}={value}");
        }
    }
    flags
}

/// Returns the version of Kubernetes in one of Debian's: `1.20.5+really1.20.2-1.1` is 1.20.2.
fn upstream(version: &str) -> &str {
    let version = version.rsplit_once("really").map_or(version, |(_, really)| really);
    version.split(['-', '+', '~']).next().unwrap_or(version)
}

/// Makes `current` name a build, in one step.
pub(super) fn point_to(cache: &Cache, name: &str) -> Result<()> {
    let staged = cache.path("current.new");
    drop(fs::remove_file(&staged));
    std::os::unix::fs::symlink(name, &staged)?;
    fs::rename(&staged, cache.path("current")).context("name the build `current`")
}

fn need_space(dir: &Path) -> Result<()> {
    let stat = nix::sys::statvfs::statvfs(dir).with_context(|| dir.display().to_string())?;
    let free = stat.blocks_available() * stat.fragment_size();
    if free >> 30 < SPACE {
        let dir = dir.display();
        let text = format!(
            "{dir} has {} GB free, the build needs {SPACE}; make room, or set FLOW_OBSERVER_CACHE to another directory",
            free >> 30
        );
        return Err(Environment(text).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
