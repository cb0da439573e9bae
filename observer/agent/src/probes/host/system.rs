//! Mounts, namespaces and the parts of networking that change what the agent sees.

use std::fs;
use std::path::Path;

use crate::probes::host::Check;

/// Said because other eBPF tools need these, and people mount them in vain.
pub(super) fn mounts() -> Check {
    const NAME: &str = "mounts";
    if Path::new("/sys/kernel").exists() && Path::new("/proc/self").exists() {
        return Check::ok(NAME, "/proc and /sys; neither bpffs nor tracefs is needed");
    }
    Check::warn(NAME, "/proc or /sys is missing", "mount both, else much can't be checked")
}

pub(super) fn conntrack() -> Check {
    const NAME: &str = "conntrack";
    if Path::new("/proc/sys/net/netfilter/nf_conntrack_max").exists() {
        return Check::ok(NAME, "present");
    }
    let advice =
        "resets of connections older than the agent count as orphans; load nf_conntrack, as kube-proxy does";
    Check::warn(NAME, "absent", advice)
}

/// A pod without `hostNetwork` sees its own interface only.
pub(super) fn network_namespace() -> Check {
    const NAME: &str = "network namespace";
    let link = |path| fs::read_link(path).ok();
    let (own, first) = (link("/proc/thread-self/ns/net"), link("/proc/1/ns/net"));
    // These settings exist in the machine's first network namespace only. Inside a container process 1 is the
    // container's, so that comparing with it is not enough.
    if Path::new("/proc/sys/net/core/netdev_budget").exists() {
        return Check::ok(NAME, "the host's");
    }
    let advice = "the agent sees the interfaces of this namespace only; in a pod set hostNetwork: true (on a node that is itself a container, e.g. kind, this is as it should be)";
    if own.is_some() && first.is_some() && own != first {
        return Check::warn(NAME, "not that of process 1", advice);
    }
    Check::warn(NAME, "not the machine's first", advice)
}

/// Where it is off, packets between pods of one bridge pass the firewall by.
pub(super) fn bridge_filter() -> Check {
    const NAME: &str = "bridge-nf";
    let read =
        |family: &str| fs::read_to_string(format!("/proc/sys/net/bridge/bridge-nf-call-{family}")).ok();
    bridge_filter_of(read("iptables").as_deref(), read("ip6tables").as_deref(), NAME)
}

fn bridge_filter_of(v4: Option<&str>, v6: Option<&str>, name: &'static str) -> Check {
    let on = |value: &str| value.trim() == "1";
    match (v4.map(on), v6.map(on)) {
        (Some(true), Some(true)) => Check::ok(name, "on"),
        (None, None) => Check::ok(name, "br_netfilter not loaded (needed by CNIs with a bridge only)"),
        _ => {
            let advice = "where pods share a bridge, policies don't act between them: sysctl net.bridge.bridge-nf-call-iptables=1, and ip6tables";
            Check::warn(name, "off", advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sched::{CloneFlags, unshare};

    use super::*;
    use crate::probes::host::Status;

    #[test]
    fn another_namespace_is_noticed() {
        let enter = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root");
            network_namespace()
        };
        let check = std::thread::spawn(enter).join().unwrap();
        assert_eq!(check.status, Status::Warn);
    }

    #[test]
    fn a_bridge_that_bypasses_the_firewall_is_told() {
        let check = |v4, v6| bridge_filter_of(v4, v6, "b").status;
        assert_eq!(check(Some("1\n"), Some("1\n")), Status::Ok);
        assert_eq!(check(Some("0\n"), Some("1\n")), Status::Warn);
        assert_eq!(check(Some("1\n"), Some("0\n")), Status::Warn);
        assert_eq!(check(None, None), Status::Ok);
    }
}
