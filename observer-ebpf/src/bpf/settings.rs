//! Read-only globals that userspace sets before it loads the programs.
//!
//! Each is marked `#[used]`. The compiler would otherwise merge it with an ordinary constant of the same bytes, which are
//! zeros here, and what uses that constant would read the setting (`ConstantMerge` in
//! <https://github.com/llvm/llvm-project/blob/main/llvm/lib/Transforms/IPO/ConstantMerge.cpp>).

use observer_abi::{ListenerLayout, NamespaceLayout, REASON_BITS, ResetLayout, SocketLayout};

/// Byte offset of `head` in `struct sk_buff`, from BTF; so are the two that follow.
#[used]
#[unsafe(no_mangle)]
static SKB_HEAD: u32 = 0;
#[used]
#[unsafe(no_mangle)]
static SKB_NETWORK_HEADER: u32 = 0;
#[used]
#[unsafe(no_mangle)]
static SKB_PROTOCOL: u32 = 0;
/// Position of the reason among `kfree_skb`'s arguments; 0 where the kernel gives none.
#[used]
#[unsafe(no_mangle)]
static REASON_ARG: u32 = 0;
/// Position of the receiving socket among `kfree_skb`'s arguments; 0 where the kernel passes none.
#[used]
#[unsafe(no_mangle)]
static SOCKET_ARG: u32 = 0;
/// Offsets that lead from a packet to its network namespace.
#[used]
#[unsafe(no_mangle)]
static NAMESPACES: NamespaceLayout = NamespaceLayout {
    own: 0,
    skb_dev: 0,
    skb_sk: 0,
    skb_dst: 0,
    dst_dev: 0,
    sock_net: 0,
    net_inum: 0,
    net_devices: 0,
    dev_list: 0,
    dev_net: 0,
    dev_index: 0,
    dev_ops: 0,
    ops_kind: 0,
    dev_private: 0,
};
/// Offsets in what a RST is sent for.
#[used]
#[unsafe(no_mangle)]
static RESET_LAYOUT: ResetLayout =
    ResetLayout { rcv_nxt: 0, snd_nxt: 0, snd_una: 0, snd_wnd: 0, head: 0, transport_header: 0, len: 0 };
/// Offsets in a listening socket; 0 where they are not known.
#[used]
#[unsafe(no_mangle)]
static LISTENER_LAYOUT: ListenerLayout = ListenerLayout { waiting: 0, backlog: 0 };
/// Offsets in sockets, tasks and cgroups.
#[used]
#[unsafe(no_mangle)]
static SOCKET_LAYOUT: SocketLayout = SocketLayout {
    family: 0,
    state: 0,
    sport: 0,
    saddr: 0,
    saddr6: 0,
    dport: 0,
    daddr: 0,
    daddr6: 0,
    srtt: 0,
    protocol: 0,
    snd_una: 0,
    cgroup: 0,
    task_cgroups: 0,
    unified: 0,
    memory: 0,
    pids: 0,
    css_cgroup: 0,
    kn: 0,
    kn_id: 0,
    kn_name: 0,
    kn_parent: 0,
};
/// Set of the reasons that mean that a packet was lost.
#[used]
#[unsafe(no_mangle)]
static REASONS: [u64; REASON_BITS / 64] = [0; REASON_BITS / 64];

/// Defines a reader of each setting. The reads are volatile: the compiler would otherwise use the initial value.
macro_rules! setting {
    ($($f:ident = $s:ident;)*) => {$(
        #[inline(always)]
        pub(super) fn $f() -> u32 {
            // SAFETY: a static is always valid for reads.
            unsafe { core::ptr::read_volatile(&raw const $s) }
        }
    )*};
}

setting! {
    skb_head = SKB_HEAD;
    skb_network_header = SKB_NETWORK_HEADER;
    skb_protocol = SKB_PROTOCOL;
    reason_arg = REASON_ARG;
    socket_arg = SOCKET_ARG;
}

/// Defines a reader of each field of a layout. Each field is read by itself, so that the verifier knows it as a constant.
macro_rules! layout {
    ($name:ident of $layout:ident: $($field:ident)*) => {
        pub(super) mod $name {
            $(#[inline(always)]
            pub(in super::super) fn $field() -> u64 {
                // SAFETY: a static is always valid for reads.
                u64::from(unsafe { core::ptr::read_volatile(&raw const super::$layout.$field) })
            })*
        }
    };
}

layout! {
    namespace of NAMESPACES:
    own skb_dev skb_sk skb_dst dst_dev sock_net net_inum net_devices dev_list dev_net dev_index dev_ops ops_kind dev_private
}
layout! {
    resets of RESET_LAYOUT:
    rcv_nxt snd_nxt snd_una snd_wnd head transport_header len
}
layout! {
    sockets of SOCKET_LAYOUT:
    family state sport saddr saddr6 dport daddr daddr6 srtt protocol snd_una cgroup task_cgroups unified memory pids css_cgroup kn kn_id kn_name
    kn_parent
}
layout! {
    listeners of LISTENER_LAYOUT:
    waiting backlog
}

/// Is true when a drop for this reason lost a packet. Reasons past the set are a subsystem's and always do.
#[inline(always)]
pub(super) fn of_interest(reason: u32) -> bool {
    let word = reason as usize / 64;
    if word >= REASON_BITS / 64 {
        return true;
    }
    // SAFETY: `word` was checked against the array's length.
    let bits = unsafe { core::ptr::read_volatile((&raw const REASONS).cast::<u64>().add(word)) };
    bits & (1 << (reason % 64)) != 0
}
