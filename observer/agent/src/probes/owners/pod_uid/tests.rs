use observer_abi::{CGROUP_LEVELS, CGROUP_NAME};
use rstest::rstest;

use super::of;

const UID: &str = "0b6f0c5e-6b1c-4a52-9f3e-2d6f3c0c9a11";
const HASH: &str = "0e9f2d3c4b5a69788796a5b4c3d2e1f0";

/// Returns the UID for a cgroup of this path.
fn at(path: &str) -> Option<String> {
    let mut names = [[0; CGROUP_NAME]; CGROUP_LEVELS];
    for (to, name) in names.iter_mut().zip(path.rsplit('/')) {
        let bytes = name.as_bytes();
        let len = bytes.len().min(CGROUP_NAME - 1);
        to[..len].copy_from_slice(&bytes[..len]);
    }
    of(&names).map(|uid| uid.to_string())
}

#[rstest]
#[case::k3s("/kubepods/besteffort/pod0b6f0c5e-6b1c-4a52-9f3e-2d6f3c0c9a11/9f8e", Some(UID))]
#[case::guaranteed("/kubepods/pod0b6f0c5e-6b1c-4a52-9f3e-2d6f3c0c9a11/9f8e", Some(UID))]
#[case::the_pod_itself("/kubepods/burstable/pod0b6f0c5e-6b1c-4a52-9f3e-2d6f3c0c9a11", Some(UID))]
#[case::made_inside("/kubepods/burstable/pod0b6f0c5e-6b1c-4a52-9f3e-2d6f3c0c9a11/9f8e/init.scope", Some(UID))]
#[case::systemd(
    "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0b6f0c5e_6b1c_4a52_9f3e_2d6f3c0c9a11.slice/cri-containerd-9f8e.scope",
    Some(UID)
)]
#[case::kind(
    "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod0b6f0c5e_6b1c_4a52_9f3e_2d6f3c0c9a11.slice/cri-containerd-9f8e.scope",
    Some(UID)
)]
#[case::static_pod("/kubepods/burstable/pod0e9f2d3c4b5a69788796a5b4c3d2e1f0/9f8e", Some(HASH))]
#[case::a_service("/system.slice/podman.service", None)]
#[case::podman("/machine.slice/podman-pod0b6f0c5e.slice/ctr", None)]
#[case::somebody_elses("/user/podcast", None)]
#[case::no_pod("/kubepods/besteffort", None)]
#[case::the_root("", None)]
fn a_cgroup_tells_its_pod(#[case] path: &str, #[case] uid: Option<&str>) {
    assert_eq!(at(path).as_deref(), uid);
}
