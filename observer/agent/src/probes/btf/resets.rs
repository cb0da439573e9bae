//! Offsets and names for the probe of sent resets.

use std::collections::BTreeMap;

use observer_abi::ResetLayout;

use crate::probes::btf::error::Missing;
use crate::probes::btf::walker::{Btf, Kind};
use crate::probes::btf::{is_enum, points_to, tracepoint};

const ENUM: &str = "sk_rst_reason";

/// Finds the offsets. The tracepoint must be as since 6.10: before, it has no reason, and does not fire for a RST that
/// belongs to no socket, so that its silence proves nothing.
pub(super) fn layout(btf: &Btf<'_>) -> Result<ResetLayout, Missing> {
    let arguments =
        tracepoint(btf, "btf_trace_tcp_send_reset").ok_or(Missing("tracepoint tcp_send_reset"))?;
    let as_known = match arguments.as_slice() {
        [Some(socket), Some(packet), Some(reason)] => {
            points_to(btf, socket, b"sock")
                && points_to(btf, packet, b"sk_buff")
                && is_enum(reason)
                && reason.name == ENUM.as_bytes()
        }
        _ => false,
    };
    if !as_known {
        return Err(Missing("reason of the tracepoint tcp_send_reset (Linux 6.10)"));
    }
    let tcp = btf.find(Kind::Struct, "tcp_sock").ok_or(Missing("struct tcp_sock"))?;
    let skb = btf.find(Kind::Struct, "sk_buff").ok_or(Missing("struct sk_buff"))?;
    let offset = |of, name, missing| btf.member_offset(of, name).ok_or(Missing(missing));
    Ok(ResetLayout {
        rcv_nxt: offset(&tcp, "rcv_nxt", "tcp_sock.rcv_nxt")?,
        snd_nxt: offset(&tcp, "snd_nxt", "tcp_sock.snd_nxt")?,
        snd_una: offset(&tcp, "snd_una", "tcp_sock.snd_una")?,
        snd_wnd: offset(&tcp, "snd_wnd", "tcp_sock.snd_wnd")?,
        head: offset(&skb, "head", "sk_buff.head")?,
        transport_header: offset(&skb, "transport_header", "sk_buff.transport_header")?,
        len: offset(&skb, "len", "sk_buff.len")?,
    })
}

/// Returns the names of the reasons, as records have them.
pub(super) fn names(btf: &Btf<'_>) -> BTreeMap<u32, String> {
    let names = super::names(btf, ENUM, &["SK_RST_REASON_"]).into_iter();
    names.map(|(value, name)| (value, name.to_ascii_lowercase())).collect()
}
