//! Offsets in sockets, tasks and cgroups.

use observer_abi::SocketLayout;

use crate::probes::btf::error::Missing;
use crate::probes::btf::walker::{Btf, Kind, Type};
use crate::probes::btf::{points_to, tracepoint};

/// The tracepoints that the program of sockets needs, as BTF names them. The socket is the first argument of each.
const TRACEPOINTS: [(&str, &str); 3] = [
    ("btf_trace_inet_sock_set_state", "tracepoint inet_sock_set_state"),
    ("btf_trace_tcp_receive_reset", "tracepoint tcp_receive_reset"),
    ("btf_trace_tcp_retransmit_skb", "tracepoint tcp_retransmit_skb"),
];

/// The size of a pointer, bytes.
const POINTER: u32 = 8;

/// Finds the offsets. Linux 5.10 has all of them; without cgroups nobody could be named, and the rest is of less use.
pub(super) fn layout(btf: &Btf<'_>) -> Result<SocketLayout, Missing> {
    for (name, missing) in TRACEPOINTS {
        let arguments = tracepoint(btf, name).ok_or(Missing(missing))?;
        let first = arguments.first().and_then(Option::as_ref);
        if !first.is_some_and(|first| points_to(btf, first, b"sock")) {
            return Err(Missing(missing));
        }
    }
    let find = |name, missing| btf.find(Kind::Struct, name).ok_or(Missing(missing));
    let offset = |of: &Type<'_>, name, missing| btf.member_offset(of, name).ok_or(Missing(missing));
    let common = find("sock_common", "struct sock_common")?;
    let sock = find("sock", "struct sock")?;
    let inet = find("inet_sock", "struct inet_sock")?;
    let tcp = find("tcp_sock", "struct tcp_sock")?;
    let task = find("task_struct", "struct task_struct")?;
    let set = find("css_set", "struct css_set")?;
    let state = find("cgroup_subsys_state", "struct cgroup_subsys_state")?;
    let cgroup = find("cgroup", "struct cgroup")?;
    let node = find("kernfs_node", "struct kernfs_node")?;
    let by_controller = offset(&set, "subsys", "css_set.subsys")?;
    let controller = |name| number(btf, name).map_or(0, |number| by_controller + number * POINTER);
    Ok(SocketLayout {
        family: offset(&common, "skc_family", "sock_common.skc_family")?,
        state: offset(&common, "skc_state", "sock_common.skc_state")?,
        sport: offset(&inet, "inet_sport", "inet_sock.inet_sport")?,
        saddr: offset(&common, "skc_rcv_saddr", "sock_common.skc_rcv_saddr")?,
        saddr6: btf.member_offset(&common, "skc_v6_rcv_saddr").unwrap_or(0),
        dport: offset(&common, "skc_dport", "sock_common.skc_dport")?,
        daddr: offset(&common, "skc_daddr", "sock_common.skc_daddr")?,
        daddr6: btf.member_offset(&common, "skc_v6_daddr").unwrap_or(0),
        srtt: offset(&tcp, "srtt_us", "tcp_sock.srtt_us")?,
        protocol: offset(&sock, "sk_protocol", "sock.sk_protocol")?,
        snd_una: offset(&tcp, "snd_una", "tcp_sock.snd_una")?,
        cgroup: offset(&sock, "sk_cgrp_data", "sock.sk_cgrp_data")?,
        task_cgroups: offset(&task, "cgroups", "task_struct.cgroups")?,
        unified: offset(&set, "dfl_cgrp", "css_set.dfl_cgrp")?,
        memory: controller("memory_cgrp_id"),
        pids: controller("pids_cgrp_id"),
        css_cgroup: offset(&state, "cgroup", "cgroup_subsys_state.cgroup")?,
        kn: offset(&cgroup, "kn", "cgroup.kn")?,
        kn_id: offset(&node, "id", "kernfs_node.id")?,
        kn_name: offset(&node, "name", "kernfs_node.name")?,
        kn_parent: btf
            .member_offset(&node, "__parent")
            .or_else(|| btf.member_offset(&node, "parent"))
            .ok_or(Missing("kernfs_node.parent"))?,
    })
}

/// Returns a controller's number.
fn number(btf: &Btf<'_>, controller: &str) -> Option<u32> {
    let found = btf.find(Kind::Enum, "cgroup_subsys_id")?;
    btf.enumerators(&found).find(|(name, _)| *name == controller.as_bytes()).map(|(_, number)| number)
}
