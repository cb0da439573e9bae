//! Connections of the kernel's connection table as the programs' tables hold them.

use std::net::IpAddr;

use observer_abi::{FlowKey, FlowValue, Vantage};

use crate::netlink::conntrack::Conn;
use crate::probes::convert::bytes;

/// Returns the tuples under which hooks may see the connection: as addressed, and after DNAT. Resets that arrive under a
/// masqueraded address are held until they leave under the client's own.
pub(super) fn entries(conn: &Conn, local: impl Fn(IpAddr) -> bool) -> Vec<(FlowKey, FlowValue)> {
    let client = (conn.orig_src, conn.orig_sport);
    let masqueraded = (conn.reply_dst, conn.reply_dport) != client;
    let vantage = match (local(conn.orig_src), local(conn.reply_src)) {
        (true, _) => Vantage::Source,
        // The tracker counts these as transit too.
        (_, true) if !masqueraded => Vantage::Destination,
        _ => Vantage::Transit,
    };
    let backend = conn.backend();
    let flow = FlowValue {
        dst: bytes(conn.orig_dst),
        backend: backend.map_or([0; 16], |(ip, _)| bytes(ip)),
        isn: 0,
        dport: conn.orig_dport,
        backend_port: backend.map_or(0, |(_, port)| port),
        rst_place: 0,
        rst_seq: 0,
        flags: FlowValue::SEEDED,
        vantage: vantage.byte(),
        _pad: [0; 2],
    };
    let mut entries = vec![(key(client, (conn.orig_dst, conn.orig_dport)), flow)];
    entries.extend(backend.map(|backend| (key(client, backend), flow)));
    entries
}

pub(super) fn key(src: (IpAddr, u16), dst: (IpAddr, u16)) -> FlowKey {
    FlowKey { src: bytes(src.0), dst: bytes(dst.0), sport: src.1, dport: dst.1 }
}

#[cfg(test)]
mod tests;
