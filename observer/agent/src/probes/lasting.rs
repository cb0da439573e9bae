//! Fills in connections that were open before the agent started, from conntrack: their resets are no orphans.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use aya::maps::{HashMap, MapData};
use flow_model::flow::FlowTuple;
use ipnet::IpNet;
use observer_abi::{FlowKey, FlowValue, Vantage};
use parking_lot::Mutex;
use tracing::{debug, warn};

use crate::netlink::conntrack::{Conn, State, connections};
use crate::netlink::routes::pod_facing_prefixes;
use crate::probes::convert::bytes;
use crate::probes::error::ProbeError;
use crate::probes::load::Loaded;
use crate::probes::maps;

/// Keeps entries that the tracker has made itself: they hold more.
const NOEXIST: u64 = 1;

/// Owns the table of lasting connections. What the kernel's connection table lists goes there, so that no flood of short
/// or half-open connections can push it out.
pub struct Lasting {
    lasting: HashMap<MapData, FlowKey, FlowValue>,
    opened: HashMap<MapData, FlowKey, FlowValue>,
}

impl Lasting {
    /// Takes the tables of connections out of a loaded object.
    ///
    /// # Errors
    /// Fails when the object has no such map, or it was taken before.
    pub fn new(loaded: &mut Loaded) -> Result<Self, ProbeError> {
        let ebpf = &mut loaded.ebpf;
        Ok(Self { lasting: maps::hash(ebpf, "LASTING")?, opened: maps::hash(ebpf, "OPENED")? })
    }

    /// Keeps a connection that the tracker saw open. One that ended meanwhile leaves an entry that is pushed out some day.
    pub fn keep(&mut self, tuple: &FlowTuple) {
        let client = (tuple.src, tuple.sport);
        for server in std::iter::once((tuple.dst, tuple.dport)).chain(tuple.backend) {
            let key = key(client, server);
            if let Ok(flow) = self.opened.get(&key, 0) {
                drop(self.lasting.insert(key, flow, NOEXIST));
                // It may be gone already.
                drop(self.opened.remove(&key));
            }
        }
    }

    fn insert(&mut self, conn: &Conn, local: &BTreeSet<IpNet>) {
        for (tuple, flow) in entries(conn, |ip| local.iter().any(|p| p.contains(&ip))) {
            // A full table evicts by itself, and an entry of the tracker is better.
            if self.opened.get(&tuple, 0).is_err() {
                drop(self.lasting.insert(tuple, flow, NOEXIST));
            }
        }
    }
}

/// Reads the connection table once, when programs are attached to every interface. The addresses behind `pod_links` are
/// those of local pods.
pub async fn seed(lasting: Arc<Mutex<Lasting>>, pod_links: BTreeSet<u32>) {
    let local = pod_facing_prefixes(&pod_links).await.unwrap_or_else(|error| {
        warn!(%error, "routes to pods can't be read: resets of older connections may be counted as transit");
        BTreeSet::new()
    });
    let mut known = 0u64;
    let dumped = connections(|conn| {
        if matches!(conn.state, State::Established | State::Closing) {
            lasting.lock().insert(&conn, &local);
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

/// Returns the tuples under which hooks may see the connection: as addressed, and after DNAT. Resets that arrive under a
/// masqueraded address are held until they leave under the client's own.
fn entries(conn: &Conn, local: impl Fn(IpAddr) -> bool) -> Vec<(FlowKey, FlowValue)> {
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

fn key(src: (IpAddr, u16), dst: (IpAddr, u16)) -> FlowKey {
    FlowKey { src: bytes(src.0), dst: bytes(dst.0), sport: src.1, dport: dst.1 }
}

#[cfg(test)]
mod tests;
