//! Checks what this process may do.

use std::fs;

use caps::{CapSet, Capability};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

use crate::probes::host::check::{CAPABILITIES, Check, LOCKDOWN};
use crate::probes::host::kernel::{Version, version};

/// Checks the capabilities. CAP_BPF and CAP_PERFMON were split from CAP_SYS_ADMIN in 5.8.
pub(super) fn capabilities(version: Option<&Version>) -> Check {
    let held = match caps::read(None, CapSet::Effective) {
        Ok(held) => held,
        Err(error) => {
            let advice = "mount /proc, so that the capabilities can be read";
            return Check::warn(CAPABILITIES, format!("not readable: {error}"), advice);
        }
    };
    let split = version.is_none_or(|version| version.at_least(5, 8));
    let missing = missing(split, |capability| held.contains(&capability));
    if missing.is_empty() {
        return Check::ok(CAPABILITIES, "sufficient");
    }
    let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let advice = "run as root, or add these capabilities to the container's securityContext";
    Check::fail(CAPABILITIES, format!("missing {}", names.join(", ")), advice)
}

fn missing(split: bool, held: impl Fn(Capability) -> bool) -> Vec<Capability> {
    let admin = held(Capability::CAP_SYS_ADMIN);
    let needed: &[Capability] = match (admin, split) {
        (true, _) => &[Capability::CAP_NET_ADMIN],
        (false, true) => &[Capability::CAP_BPF, Capability::CAP_PERFMON, Capability::CAP_NET_ADMIN],
        (false, false) => &[Capability::CAP_SYS_ADMIN, Capability::CAP_NET_ADMIN],
    };
    needed.iter().copied().filter(|&capability| !held(capability)).collect()
}

/// Removes the limit of this process where the kernel counts eBPF maps against it (before 5.11). True when no limit
/// keeps maps from being made.
pub fn raise_memory_lock() -> bool {
    !counts_maps(version().as_ref())
        || setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_ok()
        || getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(soft, _)| soft == RLIM_INFINITY)
}

pub(super) fn memory_lock(version: Option<&Version>) -> Check {
    const NAME: &str = "memory lock";
    if !counts_maps(version) {
        return Check::ok(NAME, "no limit for eBPF maps since kernel 5.11");
    }
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((RLIM_INFINITY, _)) => Check::ok(NAME, "unlimited"),
        Ok((soft, _)) => {
            let advice = "kernels before 5.11 count eBPF maps: run as root, with CAP_SYS_RESOURCE, or with LimitMEMLOCK=infinity";
            Check::fail(NAME, format!("{} KiB", soft / 1024), advice)
        }
        Err(errno) => Check::warn(NAME, format!("not readable: {errno}"), "64 MiB or more are needed"),
    }
}

fn counts_maps(version: Option<&Version>) -> bool {
    version.is_some_and(|version| !version.at_least(5, 11))
}

/// Checks lockdown. Its strictest form forbids eBPF to read kernel memory.
pub(super) fn lockdown() -> Check {
    match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(modes) => lockdown_of(&modes),
        Err(_) => Check::ok(LOCKDOWN, "none"),
    }
}

/// Checks the mode. `modes` lists all of them, the active one in brackets.
fn lockdown_of(modes: &str) -> Check {
    let chosen =
        modes.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("none", |(mode, _)| mode);
    if chosen == "confidentiality" {
        let advice = "eBPF can't read kernel memory, so drops are not reported: boot with lockdown=integrity to have them";
        return Check::warn(LOCKDOWN, chosen, advice);
    }
    Check::ok(LOCKDOWN, chosen)
}

#[cfg(test)]
mod tests;
