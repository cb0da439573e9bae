//! Generates the OpenAPI definitions, which releases of Kubernetes contain and Debian's source doesn't.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::go::Go;

const MARK: &str = "+k8s:openapi-gen=";

/// The folders that hold types of the API.
const TREES: [&str; 4] = ["pkg", "cmd", "plugin", "staging/src/k8s.io"];

/// Parts of paths that are left out: examples and generated files.
const FOREIGN: [&str; 6] =
    ["code-generator", "sample-apiserver", "sample-controller", "/testdata/", "_test.go", "zz_generated"];

/// Writes `pkg/generated/openapi/zz_generated.openapi.go`.
pub(super) fn generate(go: &Go, work: &Path) -> Result<()> {
    let generator = work.join("openapi-gen");
    go.build("openapi-gen", "./vendor/k8s.io/kube-openapi/cmd/openapi-gen", &generator, &[])?;
    let packages = packages(&go.source()).context("find the types of the API")?.join(",");
    let report = work.join("violations").display().to_string();
    let args = [
        ["--v", "0"],
        ["-i", &packages],
        ["-p", "k8s.io/kubernetes/pkg/generated/openapi"],
        ["-O", "zz_generated.openapi"],
        ["-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"],
        ["-r", &report],
    ];
    let mut command = go.command(&generator);
    crate::run::capture(command.arg("--logtostderr").args(args.as_flattened())).map(drop)
}

/// Returns the packages with marked types, by their names in Go.
fn packages(source: &Path) -> Result<Vec<String>> {
    let mut dirs = Vec::new();
    for tree in TREES {
        walk(source, &source.join(tree), &mut dirs)?;
    }
    dirs.sort();
    dirs.dedup();
    Ok(dirs.iter().map(|dir| package(&dir.to_string_lossy())).collect())
}

fn walk(source: &Path, dir: &Path, dirs: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(source, &path, dirs)?;
        } else if is_marked(&path)? {
            dirs.push(dir.strip_prefix(source)?.to_owned());
        }
    }
    Ok(())
}

fn is_marked(path: &Path) -> Result<bool> {
    let name = path.to_string_lossy();
    if !name.ends_with(".go") || FOREIGN.iter().any(|part| name.contains(part)) {
        return Ok(false);
    }
    Ok(String::from_utf8_lossy(&fs::read(path)?).contains(MARK))
}

/// Returns a package's name. Staged libraries are compiled from the vendor tree, which links to them.
fn package(dir: &str) -> String {
    let dir =
        dir.strip_prefix("staging/src/").map_or_else(|| dir.to_owned(), |rest| format!("vendor/{rest}"));
    format!("k8s.io/kubernetes/{dir}")
}

#[cfg(test)]
mod tests;
