//! Real krew installs the plugin of kubectl from the archive of a release.
#![expect(clippy::unwrap_used, reason = "tests fail by panic")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use lab::manifest::checkout;
use tempfile::TempDir;

/// Returns a program in the directory that a variable names.
fn program(variable: &str, name: &str) -> PathBuf {
    let dir = std::env::var_os(variable);
    let dir =
        dir.unwrap_or_else(|| panic!("{variable} is not set: `cargo xtask test` builds {name} and sets it"));
    PathBuf::from(dir).join(name)
}

/// Returns a file of `cargo xtask dist --dev`.
fn release(name: &str) -> String {
    let path = checkout("target/dist-dev").join(name);
    assert!(path.is_file(), "{} is missing: run `cargo xtask dist --dev`", path.display());
    path.to_string_lossy().into_owned()
}

fn archive() -> String {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    release(&format!("flow-observer-{}-linux-{arch}.tar.gz", env!("CARGO_PKG_VERSION")))
}

/// krew with a directory of its own.
struct Krew {
    root: TempDir,
}

impl Krew {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn install(&self, manifest: &str) -> Output {
        let mut krew = Command::new(program("FLOW_OBSERVER_KREW", "krew"));
        krew.env("KREW_ROOT", self.root.path()).stdin(Stdio::null());
        krew.args(["install", "--manifest", manifest, "--archive", &archive()]).output().unwrap()
    }

    /// Runs kubectl with the plugins that krew installed.
    fn kubectl(&self, args: &[&str]) -> Output {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = [self.root.path().join("bin")].into_iter().chain(std::env::split_paths(&path));
        let mut kubectl = Command::new(program("FLOW_OBSERVER_KUBE", "kubectl"));
        kubectl.env("PATH", std::env::join_paths(dirs).unwrap()).args(args).output().unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

#[test]
fn krew_installs_the_plugin() {
    let krew = Krew::new();
    let installed = krew.install(&release("flow-observer.yaml"));
    assert!(installed.status.success(), "{}", text(&installed));
    for name in ["flow_observer", "flow-observer"] {
        let version = krew.kubectl(&[name, "--version"]);
        assert_eq!(text(&version).trim(), format!("kubectl flow_observer {}", env!("CARGO_PKG_VERSION")));
    }
    let listed = text(&krew.kubectl(&["plugin", "list"]));
    assert!(listed.contains("kubectl-flow_observer") && !listed.contains("warning"), "{listed}");
    // As a plugin, it asks all nodes.
    let help = text(&krew.kubectl(&["flow_observer", "findings", "--help"]));
    assert!(help.contains("[default, unless --url is given]"), "{help}");
}

#[test]
fn a_plugins_archive_that_was_changed_is_refused() {
    let krew = Krew::new();
    let text_of = std::fs::read_to_string(release("flow-observer.yaml")).unwrap();
    let checksum = text_of.lines().find_map(|line| line.trim().strip_prefix("sha256: ")).unwrap();
    let manifest = krew.root.path().join("flow-observer.yaml");
    std::fs::write(&manifest, text_of.replace(checksum, &"a".repeat(64))).unwrap();
    let refused = krew.install(&manifest.to_string_lossy());
    assert!(!refused.status.success() && text(&refused).contains("checksum"), "{}", text(&refused));
}

#[test]
fn the_checksums_of_the_plugin_hold() {
    let list = release("SHA256SUMS");
    let dir = checkout("target/dist-dev");
    let checked =
        Command::new("sha256sum").args(["--check", "--strict", &list]).current_dir(dir).output().unwrap();
    assert!(checked.status.success(), "{}", text(&checked));
    assert_eq!(text(&checked).lines().count(), 3, "{}", text(&checked));
}
