//! What this process may do.

use std::fs;

use caps::{CapSet, Capability};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

use crate::probes::host::kernel::{Version, version};
use crate::probes::host::{CAPABILITIES, Check, LOCKDOWN};

/// CAP_BPF and CAP_PERFMON were cut out of CAP_SYS_ADMIN in 5.8.
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

/// Takes the limit off this process where the kernel counts eBPF maps against it (before 5.11). True where nothing
/// stands in the way of maps.
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

/// Lockdown in its strictest form forbids eBPF to read kernel memory.
pub(super) fn lockdown() -> Check {
    match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(modes) => lockdown_of(&modes),
        Err(_) => Check::ok(LOCKDOWN, "none"),
    }
}

/// `modes` lists them all, the chosen one in brackets.
fn lockdown_of(modes: &str) -> Check {
    let chosen =
        modes.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("none", |(mode, _)| mode);
    if chosen == "confidentiality" {
        let advice = "eBPF can't read kernel memory: boot with lockdown=integrity, or go without drops";
        return Check::warn(LOCKDOWN, chosen, advice);
    }
    Check::ok(LOCKDOWN, chosen)
}

#[cfg(test)]
mod tests {
    use Capability::{CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN};

    use super::*;
    use crate::probes::host::Status;

    #[test]
    fn sys_admin_stands_for_both_newer_capabilities() {
        let check = |split, held: &[Capability]| missing(split, |capability| held.contains(&capability));
        assert_eq!(check(true, &[CAP_SYS_ADMIN, CAP_NET_ADMIN]), []);
        assert_eq!(check(true, &[CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN]), []);
        assert_eq!(check(true, &[CAP_BPF]), [CAP_PERFMON, CAP_NET_ADMIN]);
        assert_eq!(check(true, &[CAP_SYS_ADMIN]), [CAP_NET_ADMIN]);
        assert_eq!(check(false, &[CAP_BPF, CAP_PERFMON]), [CAP_SYS_ADMIN, CAP_NET_ADMIN]);
    }

    #[test]
    fn only_confidentiality_costs_something() {
        let check = |modes| lockdown_of(modes).status;
        assert_eq!(check("[none] integrity confidentiality\n"), Status::Ok);
        assert_eq!(check("none [integrity] confidentiality\n"), Status::Ok);
        assert_eq!(check("none integrity [confidentiality]\n"), Status::Warn);
    }
}
