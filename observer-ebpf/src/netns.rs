//! What the drop probe needs to find out whose network namespace a packet was in.

use core::ops::Range;

/// Holds the agent's own namespace, and the offsets (bytes) by which the program walks from a packet to a namespace and
/// from a namespace to its interfaces.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceLayout {
    /// The inode number of the agent's own namespace.
    pub own: u32,
    /// `sk_buff.dev`.
    pub skb_dev: u32,
    /// `sk_buff.sk`.
    pub skb_sk: u32,
    /// `sk_buff._skb_refdst`.
    pub skb_dst: u32,
    /// `dst_entry.dev`.
    pub dst_dev: u32,
    /// `sock_common.skc_net`; every kind of socket starts with a `sock_common`.
    pub sock_net: u32,
    /// `net.ns.inum`.
    pub net_inum: u32,
    /// `net.dev_base_head`, the list of a namespace's interfaces.
    pub net_devices: u32,
    /// `net_device.dev_list`, the place in that list.
    pub dev_list: u32,
    /// `net_device.nd_net`.
    pub dev_net: u32,
    /// `net_device.ifindex`.
    pub dev_index: u32,
    /// `net_device.rtnl_link_ops`.
    pub dev_ops: u32,
    /// `rtnl_link_ops.kind`.
    pub ops_kind: u32,
    /// The driver's own part of an interface, which follows `struct net_device`. For veth and netkit it starts with the
    /// pointer to the other end.
    pub dev_private: u32,
}

impl NamespaceLayout {
    /// The inode numbers that namespaces have. The kernel takes the lowest free one from 0xf0000000 on, so that none comes
    /// near the end; since 6.18 the first network namespace has a fixed one just before. Upper halves of kernel addresses
    /// start at the end, and are what else may be read by mistake.
    pub const INUMS: Range<u32> = 0xefff_ff00..0xff00_0000;
}

/// Identifies a network namespace. The kernel gives the inode number of a deleted one to the next, and its memory too, but
/// rarely both at once.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceKey {
    /// The address of its `struct net`.
    pub at: u64,
    /// Its inode number.
    pub inum: u32,
    pub _pad: [u8; 4],
}

/// Records whether a namespace is a pod's. Interfaces move, so an entry holds for a second only.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceCheck {
    /// `bpf_ktime_get_ns` of the check.
    pub checked_ns: u64,
    /// 1 for the namespace of a pod of this node, 0 for any other.
    pub ours: u8,
    pub _pad: [u8; 7],
}

const _: () = assert!(size_of::<NamespaceLayout>() == 56);
const _: () = assert!(size_of::<NamespaceKey>() == 16);
const _: () = assert!(size_of::<NamespaceCheck>() == 16);

#[cfg(feature = "user")]
mod pod {
    #![expect(unsafe_code, reason = "aya::Pod is an unsafe marker trait")]

    // SAFETY: repr(C), Copy, only integers, and the assert above shows that there is no padding.
    unsafe impl aya::Pod for super::NamespaceLayout {}
}
