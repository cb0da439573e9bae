//! What the probe of sockets reads of the kernel, and what it notes.

/// Holds the offsets (bytes) by which the program walks from a socket to its addresses, and from a task to its cgroups.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketLayout {
    /// `sock_common.skc_family`; every kind of socket starts with a `sock_common`.
    pub family: u32,
    /// `sock_common.skc_state`.
    pub state: u32,
    /// `inet_sock.inet_sport`, the own port in network order. A socket that is closed keeps it.
    pub sport: u32,
    /// `sock_common.skc_rcv_saddr`, the own IPv4 address.
    pub saddr: u32,
    /// `sock_common.skc_v6_rcv_saddr`, the own IPv6 address; 0 in a kernel without IPv6.
    pub saddr6: u32,
    /// `sock_common.skc_dport`, the other side's port in network order.
    pub dport: u32,
    /// `sock_common.skc_daddr`, the other side's IPv4 address.
    pub daddr: u32,
    /// `sock_common.skc_v6_daddr`; 0 in a kernel without IPv6.
    pub daddr6: u32,
    /// `tcp_sock.srtt_us`, eight times the smoothed round-trip time in microseconds.
    pub srtt: u32,
    /// `sock.sk_protocol`.
    pub protocol: u32,
    /// `tcp_sock.snd_una`.
    pub snd_una: u32,
    /// `sock.sk_cgrp_data`, which starts with a pointer to the socket's cgroup in the unified hierarchy.
    pub cgroup: u32,
    /// `task_struct.cgroups`.
    pub task_cgroups: u32,
    /// `css_set.dfl_cgrp`, the cgroup in the unified hierarchy.
    pub unified: u32,
    /// The place of the controller `memory` in `css_set.subsys`; 0 in a kernel without it.
    pub memory: u32,
    /// The place of the controller `pids`, likewise.
    pub pids: u32,
    /// `cgroup_subsys_state.cgroup`.
    pub css_cgroup: u32,
    /// `cgroup.kn`.
    pub kn: u32,
    /// `kernfs_node.id`.
    pub kn_id: u32,
    /// `kernfs_node.name`.
    pub kn_name: u32,
    /// `kernfs_node.parent`, or `__parent` since 6.15.
    pub kn_parent: u32,
}

/// Identifies a cgroup: by the address of its directory, and the number that the kernel gave it in its hierarchy.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CgroupKey {
    /// The address of its `struct kernfs_node`; 0 stands for no cgroup.
    pub at: u64,
    /// `kernfs_node.id`.
    pub id: u64,
}

/// Holds the cgroups of one process: by the controllers `memory` and `pids`, and in the unified hierarchy. Which of these
/// Kubernetes uses depends on the node. Those that are equal or unknown are 0.
pub type Cgroups = [CgroupKey; 3];

/// The bytes of a directory's name that are kept. The name of a pod's cgroup is shorter.
pub const CGROUP_NAME: usize = 96;
/// The directories that are named, from a process' own upwards.
pub const CGROUP_LEVELS: usize = 5;

/// Holds the names of a cgroup's directory and of those above it, each ended by a zero byte.
pub type CgroupNames = [[u8; CGROUP_NAME]; CGROUP_LEVELS];

/// Describes a listening socket of the node itself.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// The cgroups of the process that listens.
    pub cgroups: Cgroups,
    /// The address; unspecified for all of the node's.
    pub ip: [u8; 16],
    pub port: u16,
    pub _pad: [u8; 6],
}

const _: () = assert!(size_of::<SocketLayout>() == 84);
const _: () = assert!(size_of::<CgroupKey>() == 16);
const _: () = assert!(size_of::<Listening>() == 72);

#[cfg(feature = "user")]
mod pod {
    #![expect(unsafe_code, reason = "aya::Pod is an unsafe marker trait")]

    // SAFETY: repr(C), Copy, only integers, and the asserts above show that there is no padding.
    unsafe impl aya::Pod for super::SocketLayout {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::CgroupKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::Listening {}
}
