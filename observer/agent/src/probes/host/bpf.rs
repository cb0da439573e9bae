//! Checks the kernel's eBPF, by trying where that changes nothing.

use std::error::Error;
use std::io;

use aya::maps::MapType;
use aya::programs::{ProgramType, SchedClassifier, TcAttachType, tc};
use aya::sys::{BpfHelper, is_helper_supported};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use crate::probes::btf::{BtfError, KernelTypes, Missing, VMLINUX};
use crate::probes::host::check::{
    ACCEPT_QUEUES, ATTACH, BTF, CLASSIFIERS, Check, NAMESPACES, RESETS, RING, SOCKETS, TRACEPOINTS,
};
use crate::probes::host::kernel::{Version, version};

const RUN_PRIVILEGED: &str = "run as root, or with CAP_BPF and CAP_NET_ADMIN, to check it";

/// Is true when this kernel has TCX. The kernel is asked; without the permission to ask, its version decides (6.6).
#[must_use]
pub fn has_tcx() -> bool {
    tcx().unwrap_or_else(|_| version().is_some_and(|version| version.at_least(6, 6)))
}

/// Lists the programs on the loopback. A kernel without TCX does not know the attach type.
fn tcx() -> Result<bool, Errno> {
    match SchedClassifier::query_tcx("lo", TcAttachType::Ingress) {
        Ok(_) => Ok(true),
        Err(error) => match errno(&error) {
            Some(Errno::EINVAL) => Ok(false),
            other => Err(other.unwrap_or(Errno::EIO)),
        },
    }
}

pub(super) fn attach(version: Option<&Version>) -> Check {
    match tcx() {
        Ok(true) => Check::ok(ATTACH, "TCX"),
        Ok(false) => clsact_check(),
        Err(errno) => {
            let likely = if version.is_some_and(|version| version.at_least(6, 6)) { "TCX" } else { "clsact" };
            Check::warn(
                ATTACH,
                format!("not checked ({errno}); {likely} by the kernel's version"),
                RUN_PRIVILEGED,
            )
        }
    }
}

fn clsact_check() -> Check {
    match try_clsact() {
        Ok(()) => Check::ok(ATTACH, "clsact (TCX needs kernel 6.6)"),
        Err(ClsactError::NotTried) => {
            let advice = "run as root to try it; the modules sch_ingress and cls_bpf are needed";
            Check::warn(ATTACH, "no TCX (kernel 6.6); clsact not tried", advice)
        }
        Err(ClsactError::Refused(why)) => {
            let advice = "load or build the kernel modules sch_ingress and cls_bpf";
            Check::fail(ATTACH, format!("no TCX, and no clsact: {why}"), advice)
        }
    }
}

enum ClsactError {
    NotTried,
    Refused(String),
}

/// Adds the qdisc to the loopback of a network namespace that ends with the thread, so that the host's interfaces do
/// not change. The kernel loads the module by itself.
fn try_clsact() -> Result<(), ClsactError> {
    let attempt = || {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|_| ClsactError::NotTried)?;
        tc::qdisc_add_clsact("lo").map_err(|error| ClsactError::Refused(error.to_string()))
    };
    let thread = std::thread::Builder::new().name("clsact".into()).spawn(attempt);
    thread.map_or(Err(ClsactError::NotTried), |thread| thread.join().unwrap_or(Err(ClsactError::NotTried)))
}

pub(super) fn classifiers() -> Check {
    let tried = supported(aya::sys::is_program_supported(ProgramType::SchedClassifier));
    let advice = "the kernel must be built with CONFIG_BPF_SYSCALL and CONFIG_NET_CLS_BPF";
    required(CLASSIFIERS, tried, advice)
}

pub(super) fn ring_buffer() -> Check {
    required(RING, supported(aya::sys::is_map_supported(MapType::RingBuf)), "kernel 5.8 or newer is needed")
}

pub(super) fn raw_tracepoints() -> Check {
    match supported(aya::sys::is_program_supported(ProgramType::RawTracePoint)) {
        Ok(true) => Check::ok(TRACEPOINTS, "supported"),
        Ok(false) => {
            let advice = "drops are not reported: the kernel must be built with CONFIG_BPF_EVENTS";
            Check::warn(TRACEPOINTS, "not supported", advice)
        }
        Err(errno) => Check::warn(TRACEPOINTS, format!("not checked: {errno}"), RUN_PRIVILEGED),
    }
}

fn required(name: &'static str, tried: Result<bool, Errno>, advice: &'static str) -> Check {
    match tried {
        Ok(true) => Check::ok(name, "supported"),
        Ok(false) => Check::fail(name, "not supported", advice),
        Err(errno) => Check::warn(name, format!("not checked: {errno}"), RUN_PRIVILEGED),
    }
}

pub(super) fn btf(types: &Result<KernelTypes, BtfError>) -> Check {
    match types {
        Ok(types) if types.kfree_skb.reason_arg.is_some() => {
            Check::ok(BTF, format!("{VMLINUX}, {} drop reasons", types.drop_reasons.len()))
        }
        Ok(_) => {
            let advice = "the kernel gives no drop reasons before 5.17: only dropped SYNs are reported, without a reason";
            Check::warn(BTF, format!("{VMLINUX}, no drop reasons"), advice)
        }
        Err(error) => {
            let advice = "drops and their reasons are not reported; the kernel must be built with CONFIG_DEBUG_INFO_BTF, and /sys must be mounted";
            Check::warn(BTF, error.to_string(), advice)
        }
    }
}

/// Checks whether the drop probe can find out whose namespace a packet was in, and names the namespaces that it covers. The
/// interfaces of the others have no end in the node's namespace, so the node can't tell that they are its pods'.
pub(super) fn namespaces(types: &Result<KernelTypes, BtfError>) -> Check {
    match looked_up(types, |types| types.namespaces) {
        Ok(_) => {
            let covered = "the node's own, and those of pods with a veth or netkit; drops in others (macvlan, ipvlan, \
                           SR-IOV, a namespace inside a pod) are only counted, in drops_unattributed_total";
            Check::ok(NAMESPACES, covered)
        }
        Err(why) => {
            let advice =
                "drops are not reported: those of this node can't be told from others on the same kernel";
            Check::warn(NAMESPACES, why, advice)
        }
    }
}

/// Checks whether TCP says why it sends a RST.
pub(super) fn reset_reasons(types: &Result<KernelTypes, BtfError>) -> Check {
    match looked_up(types, |types| types.resets.map(|_| types.reset_reasons.len())) {
        Ok(count) => Check::ok(RESETS, format!("{count} reasons")),
        Err(why) => {
            let advice =
                "resets are reported without `reason` and `sent_by`: the kernel gives no reasons before 6.10";
            Check::warn(RESETS, why, advice)
        }
    }
}

/// Checks whether the classifiers can look at the listening sockets of servers.
pub(super) fn accept_queues(types: &Result<KernelTypes, BtfError>) -> Check {
    let advice = "a SYN that is lost because a server's accept queue is full has no `cause`";
    if let Err(why) = looked_up(types, |types| types.listeners) {
        return Check::warn(ACCEPT_QUEUES, why, advice);
    }
    let helper = is_helper_supported(ProgramType::SchedClassifier, BpfHelper::BPF_FUNC_skc_to_tcp_sock);
    match supported(helper) {
        Ok(true) => Check::ok(ACCEPT_QUEUES, "full ones are told"),
        Ok(false) => Check::warn(ACCEPT_QUEUES, "classifiers can't look at sockets", advice),
        Err(errno) => Check::warn(ACCEPT_QUEUES, format!("not checked: {errno}"), RUN_PRIVILEGED),
    }
}

/// Checks whether sockets can be read: what they say of their connections, and whose they are.
pub(super) fn sockets(types: &Result<KernelTypes, BtfError>) -> Check {
    match looked_up(types, |types| types.sockets.and(types.namespaces)) {
        Ok(_) => Check::ok(SOCKETS, "outcomes and owners are told"),
        Err(why) => {
            let advice = "pods with hostNetwork are not told from the node, and outcomes where answers go past a pod's \
                          interface are told after 5 s";
            Check::warn(SOCKETS, why, advice)
        }
    }
}

/// Returns what was found in the kernel's types, or the reason why it is not known.
fn looked_up<T>(
    types: &Result<KernelTypes, BtfError>,
    found: impl FnOnce(&KernelTypes) -> Result<T, Missing>,
) -> Result<T, String> {
    match types {
        Ok(types) => found(types).map_err(|missing| missing.to_string()),
        Err(_) => Err("not known without BTF".to_owned()),
    }
}

fn supported<E: Error + 'static>(tried: Result<bool, E>) -> Result<bool, Errno> {
    tried.map_err(|error| errno(&error).unwrap_or(Errno::EIO))
}

/// Returns the system's error number among the sources of an error.
fn errno(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(Errno::from_raw(code));
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests;
