//! Offsets in a listening socket.

use observer_abi::ListenerLayout;

use crate::probes::btf::error::Missing;
use crate::probes::btf::walker::{Btf, Kind};

/// Finds the offsets.
pub(super) fn layout(btf: &Btf<'_>) -> Result<ListenerLayout, Missing> {
    let socket = btf.find(Kind::Struct, "sock").ok_or(Missing("struct sock"))?;
    let offset = |name, missing| btf.member_offset(&socket, name).ok_or(Missing(missing));
    Ok(ListenerLayout {
        waiting: offset("sk_ack_backlog", "sock.sk_ack_backlog")?,
        backlog: offset("sk_max_ack_backlog", "sock.sk_max_ack_backlog")?,
    })
}
