//! Checks mounts, namespaces and the parts of networking that change what the agent sees.

use std::fs;
use std::path::Path;

use crate::probes::host::check::Check;

/// Checks /proc and /sys. The text names other mounts because other eBPF tools need them.
pub(super) fn mounts() -> Check {
    const NAME: &str = "mounts";
    if Path::new("/sys/kernel").exists() && Path::new("/proc/self").exists() {
        return Check::ok(NAME, "/proc and /sys; neither bpffs nor tracefs is needed");
    }
    Check::warn(NAME, "/proc or /sys is missing", "mount both: without them most checks are impossible")
}

pub(super) fn conntrack() -> Check {
    const NAME: &str = "conntrack";
    if Path::new("/proc/sys/net/netfilter/nf_conntrack_max").exists() {
        return Check::ok(NAME, "present");
    }
    let advice = "resets of connections older than the agent count as `orphan`, of which nobody saw the start; load nf_conntrack, as kube-proxy does";
    Check::warn(NAME, "absent", advice)
}

/// Checks the network namespace. A pod without `hostNetwork` sees its own interface only.
pub(super) fn network_namespace() -> Check {
    const NAME: &str = "network namespace";
    let link = |path| fs::read_link(path).ok();
    let (own, first) = (link("/proc/thread-self/ns/net"), link("/proc/1/ns/net"));
    // This setting exists in the machine's first network namespace only. Inside a container process 1 is the
    // container's, so that comparing with it is not enough.
    if Path::new("/proc/sys/net/core/netdev_budget").exists() {
        return Check::ok(NAME, "the host's");
    }
    let advice = "the agent sees the interfaces of this namespace only; in a pod set hostNetwork: true (on a node that is itself a container, e.g. kind, this is normal)";
    if own.is_some() && first.is_some() && own != first {
        return Check::warn(NAME, "not that of process 1", advice);
    }
    Check::warn(NAME, "not the machine's first", advice)
}

/// Checks the bridge's firewall. Where it is off, packets between pods of one bridge don't pass the firewall.
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
            let advice = "where pods share a bridge, policies have no effect between them: set sysctl net.bridge.bridge-nf-call-iptables=1, and ip6tables";
            Check::warn(name, "off", advice)
        }
    }
}

#[cfg(test)]
mod tests;
