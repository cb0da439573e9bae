//! Unpacks Kubernetes' source and patches it, so that Debian's Go compiles it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run::capture;

/// The source's folder below GOPATH.
pub(super) const PACKAGE: &str = "src/k8s.io/kubernetes";

/// The folder of Debian's newer copy of a vendored library.
const REFLECT2: &str = "github.com/modern-go/reflect2";

/// Unpacks and patches the source into `gopath`. `root` has the unpacked binary packages.
pub(super) fn unpack(dsc: &Path, root: &Path, gopath: &Path) -> Result<()> {
    let to = gopath.join(PACKAGE);
    fs::create_dir_all(to.parent().context("a path without a parent")?)?;
    // apt has checked the files against the signed index.
    let args = [OsStr::new("--no-check"), OsStr::new("-x"), dsc.as_os_str(), to.as_os_str()];
    capture(Command::new("dpkg-source").args(args))?;
    replace_reflect2(&to, root).context("replace the vendored reflect2")
}

/// Replaces the vendored reflect2. It reads Go's maps by the layout before Go 1.18, so the server would crash at the
/// first custom resource. Version 1.0.2 doesn't.
fn replace_reflect2(kubernetes: &Path, root: &Path) -> Result<()> {
    let vendored = kubernetes.join("vendor").join(REFLECT2);
    for old in go_files(&vendored)? {
        fs::remove_file(old)?;
    }
    let newer = go_files(&root.join("usr/share/gocode/src").join(REFLECT2))?;
    ensure!(!newer.is_empty(), "Debian's package of it is empty");
    for file in newer {
        let name = file.file_name().unwrap_or_default();
        if !name.to_string_lossy().ends_with("_test.go") {
            fs::copy(&file, vendored.join(name))?;
        }
    }
    Ok(())
}

/// Returns the Go and assembler files of a directory.
fn go_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "go" || e == "s") {
            files.push(path);
        }
    }
    Ok(files)
}
