//! Checks what this kernel and the process's permissions allow: by trying where possible, otherwise by the kernel's
//! version.

mod bpf;
mod check;
mod kernel;
mod privileges;
mod system;

pub use bpf::has_tcx;
use check::{ATTACH, BTF, CAPABILITIES, CLASSIFIERS, KERNEL, LOCKDOWN, NAMESPACES, RING, TRACEPOINTS};
pub use check::{Check, Status};
pub use privileges::raise_memory_lock;

use crate::probes::btf::KernelTypes;

/// The checks that each probe needs. The agent requires the first two probes; drops are optional.
const PROBES: [(&str, bool, &[&str]); 3] = [
    ("pod probes", true, &[KERNEL, CAPABILITIES, CLASSIFIERS, ATTACH, RING]),
    ("uplink probes", true, &[KERNEL, CAPABILITIES, CLASSIFIERS, ATTACH, RING]),
    ("drop probe", false, &[CAPABILITIES, RING, BTF, NAMESPACES, TRACEPOINTS, LOCKDOWN]),
];

/// Runs every check. The host is not changed. The memory lock of this process is raised where the kernel counts eBPF
/// maps against it.
#[must_use]
pub fn checks() -> Vec<Check> {
    let (version, types) = (kernel::version(), KernelTypes::read());
    raise_memory_lock();
    let mut checks = vec![
        kernel::check(version.as_ref()),
        kernel::architecture(),
        privileges::capabilities(version.as_ref()),
        privileges::memory_lock(version.as_ref()),
        privileges::lockdown(),
        bpf::btf(&types),
        bpf::namespaces(&types),
        bpf::reset_reasons(&types),
        bpf::accept_queues(&types),
        bpf::sockets(&types),
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

/// Sums up the checks that a probe needs.
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
            format!("as far as these allow: {}", lacking.join(", ")),
            "see the lines of these names",
        ),
        (Status::Fail, false) => {
            let advice = "the agent runs without it: no drop records, no drop reasons in attempts";
            Check::warn(name, format!("can't run: {}", lacking.join(", ")), advice)
        }
    }
}

#[cfg(test)]
mod tests;
