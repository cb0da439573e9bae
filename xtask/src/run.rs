//! Runs commands, and reports progress and errors.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// The directory of what lasts until the machine's next start.
pub(crate) const STATE: &str = "/run/flow-observer";

/// A problem of the user's environment, with its remedy: exit code 2.
#[derive(Debug)]
pub(crate) struct Environment(pub(crate) String);

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Environment {}

/// The time of the last step.
static LAST_STEP: Mutex<Option<Instant>> = Mutex::new(None);

/// Returns when the last step was reported; now, when none was.
pub(crate) fn last_step() -> Instant {
    LAST_STEP.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(Instant::now)
}

/// Reports the next step on standard error.
pub(crate) fn report_step(what: &str) {
    *LAST_STEP.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    let style = anstyle::AnsiColor::Cyan.on_default().bold();
    report(&format!("{style}==>{style:#} {what}"));
}

/// Repeats lines of another program on standard error.
pub(crate) fn report_lines(lines: &str) {
    lines.lines().for_each(report);
}

/// Reports an error on standard error.
pub(crate) fn report_error(what: &str) {
    let style = anstyle::AnsiColor::Red.on_default().bold();
    report(&format!("{style}error:{style:#} {what}"));
}

/// Writes a line on standard error. That it can't be written must not end this process: a terminal that was closed sends
/// SIGHUP, and what was started is still to be cleaned up.
fn report(line: &str) {
    writeln!(anstream::stderr(), "{line}").unwrap_or_default();
}

/// Runs a command on this terminal.
///
/// # Errors
/// Fails when the command can't be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = display(command);
    let status = command.status().with_context(|| format!("`{name}` could not be started"))?;
    if !status.success() {
        bail!("`{name}` failed ({status})");
    }
    Ok(())
}

/// Returns the output of a command, or `None` when it fails or is missing.
pub(crate) fn output(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).stderr(Stdio::null()).stdin(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs a command and returns its standard output.
///
/// # Errors
/// Fails when the command can't be run or fails; the message holds its standard error.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let line = format!("{command:?}");
    let output = command.output().with_context(|| line.clone())?;
    if !output.status.success() {
        bail!("{line}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns a command of the cargo that started this program.
pub(crate) fn cargo(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    ebpf_object::forget_package(&mut command);
    command.current_dir(root).args(args);
    command
}

/// Checks that this process is root.
///
/// # Errors
/// Fails when this process isn't root; the message has the remedy.
pub(crate) fn need_root(what: &str) -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Environment(format!("{what} needs root: network namespaces and eBPF programs. Run it as root, e.g. `sudo -E env PATH=$PATH cargo xtask ...`")).into())
}

/// Returns cargo's target directory.
///
/// # Errors
/// Fails when cargo doesn't name the directory.
pub(crate) fn target_dir(root: &Path) -> Result<std::path::PathBuf> {
    let out = cargo(root, &["metadata", "--no-deps", "--format-version=1", "--locked"])
        .output()
        .context("`cargo metadata` could not be started")?;
    let json: serde_json::Value =
        serde_json::from_slice(&out.stdout).context("`cargo metadata` printed no JSON")?;
    Ok(json["target_directory"].as_str().context("`cargo metadata` names no target directory")?.into())
}

fn display(command: &Command) -> String {
    let mut name = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        name.push(' ');
        name.push_str(&arg.to_string_lossy());
    }
    name
}
