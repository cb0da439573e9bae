//! Kubernetes' own programs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::go;
use crate::progress::Progress;

/// The oldest version whose modules are all published.
const OLDEST: (u32, u32, u32) = (1, 30, 14);

pub(super) const COMPONENTS: [&str; 6] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"];

/// Checks a version of Kubernetes, `1.34.4`.
pub(in crate::cluster) fn version(text: &str) -> Result<String, String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let numbers: Vec<u32> = text.split('.').map_while(|part| part.parse().ok()).collect();
    match numbers[..] {
        [major, minor, patch] if text.split('.').count() == 3 && (major, minor, patch) >= OLDEST => {
            Ok(text.to_owned())
        }
        _ => Err("expected a version such as 1.34.4, from 1.30.14 on".to_owned()),
    }
}

/// `k8s.io/kubernetes` replaces its staging modules by folders, which `go install` refuses: a module of our own names the
/// published ones.
pub(super) fn build(progress: &Progress, version: &str, dir: &Path) -> Result<()> {
    let source = dir.join("source");
    fs::create_dir(&source)?;
    let module = go::download(progress, &format!("k8s.io/kubernetes@v{version}"), &source)?;
    let go_mod = fs::read_to_string(&module.go_mod).with_context(|| module.go_mod.clone())?;
    fs::write(source.join("go.mod"), go_module(version, &go_mod))?;
    let imports: String =
        COMPONENTS.iter().map(|name| format!("import _ \"k8s.io/kubernetes/cmd/{name}\"\n")).collect();
    fs::write(source.join("tools.go"), format!("//go:build tools\n\npackage tools\n\n{imports}"))?;
    progress.run("downloading Kubernetes' modules", go::go(&source).args(["mod", "tidy"]))?;
    let mut build = go::go(&source);
    build.args(["build", "-ldflags", &flags(version), "-o"]).arg(dir);
    build.args(COMPONENTS.map(|name| format!("k8s.io/kubernetes/cmd/{name}")));
    progress.run(&format!("building Kubernetes {version}"), &mut build)?;
    Ok(fs::remove_dir_all(source)?)
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
pub(super) fn flags(version: &str) -> String {
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

#[cfg(test)]
mod tests;
