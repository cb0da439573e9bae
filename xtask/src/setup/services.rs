//! Keeps services from starting. Debian's packages start theirs at once and at every boot; the lab needs only the
//! programs.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::run::{output, run};

/// The script that Debian's maintainer scripts ask before they start a service; exit code 101 forbids it
/// (<https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt>).
const POLICY: &str = "/usr/sbin/policy-rc.d";
const FORBID: &str =
    "#!/bin/sh\n# Of `cargo xtask setup`, for the time of an installation. Safe to remove.\nexit 101\n";

/// Runs a command while a policy forbids starts. The shell removes the policy, because it outlives this program's end by a
/// signal: it waits for apt-get, which may end a step first. A policy of the machine's own stays; one of ours is left of a
/// machine that lost its power.
/// Usage: POLICY TEXT COMMAND...
const GUARDED: &str = r#"
policy=$1 text=$2
shift 2
[ ! -e "$policy" ] || printf %s "$text" | cmp -s - "$policy" || exec "$@"
trap : INT TERM HUP
printf %s "$text" >"$policy" && chmod 755 "$policy" && "$@"
status=$?
rm -f "$policy"
exit $status
"#;

/// The packages of the set-up that have a service, with its name.
const SERVICES: &[(&str, &str)] = &[
    ("prometheus", "prometheus"),
    ("prometheus-alertmanager", "prometheus-alertmanager"),
    ("etcd-server", "etcd"),
    ("containerd", "containerd"),
];

/// Keeps the packages that a command installs from starting their services while it runs.
pub(super) fn without_starts(command: &Command) -> Command {
    guarded(Path::new(POLICY), command)
}

fn guarded(policy: &Path, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", GUARDED, "guarded"]).arg(policy).arg(FORBID);
    shell.arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// Keeps the services of new packages from starting at boot, and stops those that the machine's own policy let start.
pub(super) fn disable(installed: &[&str]) -> Result<()> {
    if output("systemctl", &["--version"]).is_none() {
        return Ok(());
    }
    let running = Path::new("/run/systemd/system").exists();
    for (_, service) in SERVICES.iter().filter(|(package, _)| installed.contains(package)) {
        let mut command = Command::new("systemctl");
        command.arg("disable").args(running.then_some("--now")).args(["--quiet", service]);
        run(&mut command)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
