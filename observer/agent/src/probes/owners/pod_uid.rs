//! Names of cgroups.

use arcstr::ArcStr;
use observer_abi::CgroupNames;

/// Returns the UID of the pod that a cgroup belongs to, by the names of its directory and those above it. The kubelet names a
/// pod's directory `pod<UID>`, or `kubepods[-<QoS class>]-pod<UID>.slice` where systemd makes it, with `_` for `-`:
/// <https://github.com/kubernetes/kubernetes/blob/v1.33.0/pkg/kubelet/cm/cgroup_manager_linux.go> and `pod_container_manager_linux.go`
/// beside it.
pub(super) fn of(names: &CgroupNames) -> Option<ArcStr> {
    let names: Vec<&str> = names.iter().map(|name| text(name)).collect();
    let is_kubernetes = |from: usize| names[from..].iter().any(|name| name.contains("kubepods"));
    names.iter().enumerate().find_map(|(at, name)| uid(name).filter(|_| is_kubernetes(at)))
}

fn text(name: &[u8]) -> &str {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    std::str::from_utf8(name).unwrap_or_default()
}

fn uid(name: &str) -> Option<ArcStr> {
    let (before, uid) = match name.strip_suffix(".slice") {
        Some(slice) => slice.rsplit_once("-pod")?,
        None => ("", name.strip_prefix("pod")?),
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_uid = !uid.is_empty() && uid.chars().all(is_part);
    let is_slice_of_pods = before.is_empty() || before.contains("kubepods");
    (is_uid && is_slice_of_pods)
        .then(|| if before.is_empty() { uid.into() } else { uid.replace('_', "-").into() })
}

#[cfg(test)]
mod tests;
