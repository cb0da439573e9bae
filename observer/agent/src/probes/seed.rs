//! Fills in connections that were open before the agent started, from conntrack: their resets are no orphans.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use ipnet::IpNet;
use observer_abi::{FlowKey, FlowValue, Vantage};
use tracing::{debug, warn};

use crate::netlink::conntrack::{Conn, State, connections};
use crate::netlink::routes::pod_facing_prefixes;
use crate::probes::convert::bytes;
use crate::probes::error::ProbeError;
use crate::probes::maps;

/// Keeps entries that the tracker has made itself: they hold more.
const NOEXIST: u64 = 1;

/// Writes to the flow table, once, when programs are attached to every interface.
pub(super) struct Seed {
    flows: HashMap<MapData, FlowKey, FlowValue>,
}

impl Seed {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self { flows: maps::hash(ebpf, "FLOWS")? })
    }

    /// Reads the connection table. The addresses behind `pod_links` are those of local pods.
    pub(super) async fn run(mut self, pod_links: BTreeSet<u32>) {
        let local = pod_facing_prefixes(&pod_links).await.unwrap_or_else(|error| {
            warn!(%error, "routes to pods can't be read: resets of older connections may be counted as transit");
            BTreeSet::new()
        });
        let mut known = 0u64;
        let dumped = connections(|conn| {
            if matches!(conn.state, State::Established | State::Closing) {
                self.insert(&conn, &local);
                known += 1;
            }
        });
        match dumped.await {
            Ok(()) => debug!(known, "connections older than the agent were read"),
            Err(error) => {
                warn!(%error, "connections older than the agent can't be read: their resets count as orphans");
            }
        }
    }

    fn insert(&mut self, conn: &Conn, local: &BTreeSet<IpNet>) {
        for (tuple, flow) in entries(conn, |ip| local.iter().any(|p| p.contains(&ip))) {
            // A full table evicts by itself, and an entry of the tracker is better.
            drop(self.flows.insert(tuple, flow, NOEXIST));
        }
    }
}

/// Returns the tuples under which hooks may see the connection: as addressed, after DNAT, and after masquerading.
fn entries(conn: &Conn, local: impl Fn(IpAddr) -> bool) -> Vec<(FlowKey, FlowValue)> {
    let client = (conn.orig_src, conn.orig_sport);
    let masqueraded = Some((conn.reply_dst, conn.reply_dport)).filter(|rewritten| *rewritten != client);
    let (vantage, flag) = match (local(conn.orig_src), local(conn.reply_src)) {
        (true, _) => (Vantage::Source, FlowValue::LOCAL),
        // The tracker counts these as transit too.
        _ if masqueraded.is_some() => (Vantage::Transit, 0),
        (_, true) => (Vantage::Destination, FlowValue::LOCAL),
        _ => (Vantage::Transit, 0),
    };
    let backend = conn.backend();
    let flow = FlowValue {
        dst: bytes(conn.orig_dst),
        backend: backend.map_or([0; 16], |(ip, _)| bytes(ip)),
        isn: 0,
        dport: conn.orig_dport,
        backend_port: backend.map_or(0, |(_, port)| port),
        flags: flag | FlowValue::SEEDED,
        vantage: vantage.byte(),
        _pad: [0; 2],
    };
    let mut entries = vec![(key(client, (conn.orig_dst, conn.orig_dport)), flow)];
    entries.extend(backend.map(|backend| (key(client, backend), flow)));
    // The uplink leaves answers to a pod to its veth. Answers to a client outside are recognised where they leave.
    let own = masqueraded.filter(|_| vantage == Vantage::Source);
    entries.extend(own.map(|source| (key(source, (conn.reply_src, conn.reply_sport)), flow)));
    entries
}

fn key(src: (IpAddr, u16), dst: (IpAddr, u16)) -> FlowKey {
    FlowKey { src: bytes(src.0), dst: bytes(dst.0), sport: src.1, dport: dst.1 }
}

#[cfg(test)]
mod tests;
