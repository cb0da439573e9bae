//! Offsets by which the drop probe walks from a packet to its network namespace, and from there to its interfaces.

use observer_abi::NamespaceLayout;

use crate::probes::btf::error::Missing;
use crate::probes::btf::walker::{Btf, Kind, Type};

/// The alignment of a driver's part of `struct net_device` in kernels that don't declare it as a member (before 6.12).
const PRIVATE_ALIGNMENT: u32 = 32;

/// Finds the offsets. Linux 5.10 has all of them, so a kernel that lacks one is not known here, and the drop probe stays
/// off: it could not tell this node's drops from those of other nodes on the same kernel.
pub(super) fn layout(btf: &Btf<'_>) -> Result<NamespaceLayout, Missing> {
    let find = |name, missing| btf.find(Kind::Struct, name).ok_or(Missing(missing));
    let offset = |of: &Type<'_>, name, missing| btf.member_offset(of, name).ok_or(Missing(missing));
    let skb = find("sk_buff", "struct sk_buff")?;
    let dst = find("dst_entry", "struct dst_entry")?;
    let sock = find("sock_common", "struct sock_common")?;
    let net = find("net", "struct net")?;
    let common = find("ns_common", "struct ns_common")?;
    let device = find("net_device", "struct net_device")?;
    let ops = find("rtnl_link_ops", "struct rtnl_link_ops")?;
    let inum = offset(&common, "inum", "ns_common.inum")?;
    Ok(NamespaceLayout {
        own: 0,
        skb_dev: offset(&skb, "dev", "sk_buff.dev")?,
        skb_sk: offset(&skb, "sk", "sk_buff.sk")?,
        skb_dst: offset(&skb, "_skb_refdst", "sk_buff._skb_refdst")?,
        dst_dev: offset(&dst, "dev", "dst_entry.dev")?,
        sock_net: offset(&sock, "skc_net", "sock_common.skc_net")?,
        net_inum: offset(&net, "ns", "net.ns")?.saturating_add(inum),
        net_devices: offset(&net, "dev_base_head", "net.dev_base_head")?,
        dev_list: offset(&device, "dev_list", "net_device.dev_list")?,
        dev_net: offset(&device, "nd_net", "net_device.nd_net")?,
        dev_index: offset(&device, "ifindex", "net_device.ifindex")?,
        dev_ops: offset(&device, "rtnl_link_ops", "net_device.rtnl_link_ops")?,
        ops_kind: offset(&ops, "kind", "rtnl_link_ops.kind")?,
        dev_private: private(btf, &device).ok_or(Missing("net_device.priv"))?,
    })
}

/// Returns where the driver's part of an interface starts.
fn private(btf: &Btf<'_>, device: &Type<'_>) -> Option<u32> {
    btf.member_offset(device, "priv").or_else(|| device.size().checked_next_multiple_of(PRIVATE_ALIGNMENT))
}
