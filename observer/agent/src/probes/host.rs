//! What this kernel and these permissions allow: asked of the kernel where it can be asked, else by version.

use serde::Serialize;
use tracing::{debug, error, warn};

mod bpf;
mod kernel;
mod privileges;
mod system;

pub use bpf::has_tcx;
pub use privileges::raise_memory_lock;

/// How a check ended; ordered from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// The agent runs, with less; or it could not be checked.
    Warn,
    /// The agent can't run.
    Fail,
}

/// One line of `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What it means and what to do about it, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<&'static str>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), advice: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { name, status: Status::Warn, found: found.into(), advice: Some(advice) }
    }

    fn fail(name: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self { name, status: Status::Fail, found: found.into(), advice: Some(advice) }
    }

    /// Logs it at the level of its status.
    pub fn log(&self) {
        let (name, found, advice) = (self.name, self.found.as_str(), self.advice.unwrap_or_default());
        match self.status {
            Status::Ok => debug!("{name}: {found}"),
            Status::Warn => warn!("{name}: {found}; {advice}"),
            Status::Fail => error!("{name}: {found}; {advice}"),
        }
    }
}

const KERNEL: &str = "kernel";
const CAPABILITIES: &str = "capabilities";
const CLASSIFIERS: &str = "classifiers";
const ATTACH: &str = "traffic control";
const RING: &str = "ring buffer";
const BTF: &str = "BTF";
const TRACEPOINTS: &str = "raw tracepoints";
const LOCKDOWN: &str = "lockdown";

/// What each probe needs. The first two are the agent's purpose; drops are extra.
const PROBES: [(&str, bool, &[&str]); 3] = [
    ("pod probes", true, &[KERNEL, CAPABILITIES, CLASSIFIERS, ATTACH, RING]),
    ("uplink probes", true, &[KERNEL, CAPABILITIES, CLASSIFIERS, ATTACH, RING]),
    ("drop probe", false, &[CAPABILITIES, RING, BTF, TRACEPOINTS, LOCKDOWN]),
];

/// Looks at everything. Nothing of the host is changed; the memory lock of this process is raised where the kernel
/// counts eBPF maps against it.
#[must_use]
pub fn checks() -> Vec<Check> {
    let version = kernel::version();
    raise_memory_lock();
    let mut checks = vec![
        kernel::check(version.as_ref()),
        kernel::architecture(),
        privileges::capabilities(version.as_ref()),
        privileges::memory_lock(version.as_ref()),
        privileges::lockdown(),
        bpf::btf(),
        bpf::classifiers(),
        bpf::attach(version.as_ref()),
        bpf::ring_buffer(),
        bpf::raw_tracepoints(),
    ];
    let probes: Vec<Check> =
        PROBES.iter().map(|(name, required, needs)| probe(name, *required, needs, &checks)).collect();
    checks.extend(probes);
    checks.extend([
        system::mounts(),
        system::conntrack(),
        system::network_namespace(),
        system::bridge_filter(),
    ]);
    checks
}

/// Sums up what a probe needs.
fn probe(name: &'static str, required: bool, needs: &[&str], checks: &[Check]) -> Check {
    let needed = || checks.iter().filter(|check| needs.contains(&check.name));
    let worst = needed().map(|check| check.status).max().unwrap_or(Status::Ok);
    let lacking: Vec<&str> =
        needed().filter(|check| check.status != Status::Ok).map(|check| check.name).collect();
    match (worst, required) {
        (Status::Ok, _) => Check::ok(name, "can run"),
        (Status::Fail, true) => {
            Check::fail(name, format!("can't run: {}", lacking.join(", ")), "see the lines of these names")
        }
        (Status::Warn, true) => {
            Check::warn(name, format!("may not run: {}", lacking.join(", ")), "see the lines of these names")
        }
        (Status::Warn, false) => Check::warn(
            name,
            format!("runs, within the limits of: {}", lacking.join(", ")),
            "see the lines of these names",
        ),
        (Status::Fail, false) => {
            let advice = "the agent runs without it: no drop records, no drop reasons in attempts";
            Check::warn(name, format!("can't run: {}", lacking.join(", ")), advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_as_good_as_what_it_needs() {
        let checks = [
            Check::ok(KERNEL, ""),
            Check::fail(RING, "", "x"),
            Check::warn(BTF, "", "x"),
            Check::ok(LOCKDOWN, ""),
        ];
        let check = |required, needs: &[&str]| {
            let summary = probe("p", required, needs, &checks);
            (summary.status, summary.found)
        };
        assert_eq!(check(true, &[KERNEL, LOCKDOWN]), (Status::Ok, "can run".into()));
        assert_eq!(check(true, &[KERNEL, RING, BTF]), (Status::Fail, "can't run: ring buffer, BTF".into()));
        assert_eq!(check(true, &[BTF]), (Status::Warn, "may not run: BTF".into()));
        assert_eq!(check(false, &[RING]), (Status::Warn, "can't run: ring buffer".into()));
        assert_eq!(check(false, &[BTF]), (Status::Warn, "runs, within the limits of: BTF".into()));
    }

    #[test]
    fn every_need_is_a_check_and_every_complaint_has_advice() {
        let checks = checks();
        for (probe, _, needs) in PROBES {
            for need in needs {
                assert!(checks.iter().any(|check| check.name == *need), "{probe} needs {need}");
            }
        }
        for check in checks {
            assert_eq!(check.advice.is_none(), check.status == Status::Ok, "{check:?}");
            assert!(!check.found.is_empty(), "{check:?}");
        }
    }

    #[test]
    fn as_root_on_a_supported_kernel_everything_required_works() {
        assert!(nix::unistd::geteuid().is_root(), "these tests need root");
        let failed: Vec<Check> = checks().into_iter().filter(|check| check.status == Status::Fail).collect();
        assert_eq!(failed, []);
    }
}
