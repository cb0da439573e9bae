//! Lists the programs that TCX runs at an interface, in their order.
//!
//! aya's own query also opens each program, which needs CAP_SYS_ADMIN. Layout: `union bpf_attr`,
//! <https://github.com/torvalds/linux/blob/v6.6/include/uapi/linux/bpf.h>.

use std::io;

use aya::programs::TcAttachType;

use crate::probes::sys::bpf;

const BPF_PROG_QUERY: libc::c_long = 16;
const BPF_TCX_INGRESS: u32 = 46;
const BPF_TCX_EGRESS: u32 = 47;
/// As many as the kernel takes at one place (`BPF_MPROG_MAX`).
const MAX: usize = 64;

#[repr(C)]
#[derive(Default)]
struct Query {
    ifindex: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    count: u32,
    _pad: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// Returns the ids of the programs, the first first.
pub(super) fn programs(ifindex: u32, direction: TcAttachType) -> io::Result<Vec<u32>> {
    let mut ids = [0u32; MAX];
    let mut query = Query {
        ifindex,
        attach_type: if direction == TcAttachType::Ingress { BPF_TCX_INGRESS } else { BPF_TCX_EGRESS },
        prog_ids: ids.as_mut_ptr().addr() as u64,
        count: MAX as u32,
        ..Query::default()
    };
    bpf(BPF_PROG_QUERY, &mut query)?;
    Ok(ids.into_iter().take(query.count as usize).collect())
}
