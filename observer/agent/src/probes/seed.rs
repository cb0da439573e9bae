//! Connections that were open before the agent came, from conntrack: their resets are no orphans.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use observer_abi::{FlowKey, FlowValue, vantage};
use tracing::{debug, warn};

use crate::netlink::conntrack::{Conn, State, connections};
use crate::netlink::routes::{Prefix, pod_facing_prefixes};
use crate::probes::convert::bytes;
use crate::probes::{ProbeError, drain};

/// Leaves what the tracker has seen itself: it knows more.
const NOEXIST: u64 = 1;

/// Writes to the flow table, once, when every interface is attached.
pub(super) struct Seed {
    flows: HashMap<MapData, FlowKey, FlowValue>,
}

impl Seed {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self { flows: drain::hash(ebpf, "FLOWS")? })
    }

    /// Reads the connection table. `pod_links` tell which addresses lie behind a pod's veth.
    pub(super) async fn run(mut self, pod_links: BTreeSet<u32>) {
        let local = pod_facing_prefixes(&pod_links).await.unwrap_or_else(|error| {
            warn!(%error, "routes to pods are not known: resets of older connections may be counted as transit");
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
            Ok(()) => debug!(known, "connections older than the agent"),
            Err(error) => {
                warn!(%error, "connections older than the agent are not known: their resets read as orphans");
            }
        }
    }

    fn insert(&mut self, conn: &Conn, local: &BTreeSet<Prefix>) {
        for (tuple, flow) in entries(conn, |ip| local.iter().any(|p| p.contains(ip))) {
            // A full table evicts by itself, and what is there already is better.
            drop(self.flows.insert(tuple, flow, NOEXIST));
        }
    }
}

/// The tuples under which hooks may see the connection: as addressed, after DNAT, and after masquerading.
fn entries(conn: &Conn, local: impl Fn(IpAddr) -> bool) -> Vec<(FlowKey, FlowValue)> {
    let client = (conn.orig_src, conn.orig_sport);
    let masqueraded = Some((conn.reply_dst, conn.reply_dport)).filter(|rewritten| *rewritten != client);
    let (vantage, flag) = match (local(conn.orig_src), local(conn.reply_src)) {
        (true, _) => (vantage::SOURCE, FlowValue::LOCAL),
        // As the tracker has them.
        _ if masqueraded.is_some() => (vantage::TRANSIT, 0),
        (_, true) => (vantage::DESTINATION, FlowValue::LOCAL),
        _ => (vantage::TRANSIT, 0),
    };
    let backend = conn.backend();
    let flow = FlowValue {
        dst: bytes(conn.orig_dst),
        backend: backend.map_or([0; 16], |(ip, _)| bytes(ip)),
        isn: 0,
        dport: conn.orig_dport,
        backend_port: backend.map_or(0, |(_, port)| port),
        flags: flag | FlowValue::SEEDED,
        vantage,
        _pad: [0; 2],
    };
    let mut entries = vec![(key(client, (conn.orig_dst, conn.orig_dport)), flow)];
    entries.extend(backend.map(|backend| (key(client, backend), flow)));
    // Answers to a pod are left to its veth. Those to a client from outside are known where they leave.
    let own = masqueraded.filter(|_| vantage == vantage::SOURCE);
    entries.extend(own.map(|source| (key(source, (conn.reply_src, conn.reply_sport)), flow)));
    entries
}

fn key(src: (IpAddr, u16), dst: (IpAddr, u16)) -> FlowKey {
    FlowKey { src: bytes(src.0), dst: bytes(dst.0), sport: src.1, dport: dst.1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(reply_dst: &str) -> Conn {
        let ip = |s: &str| s.parse::<IpAddr>().unwrap();
        Conn {
            orig_src: ip("10.42.0.10"),
            orig_dst: ip("10.43.0.9"),
            orig_sport: 40_000,
            orig_dport: 5432,
            reply_src: ip("10.42.0.12"),
            reply_dst: ip(reply_dst),
            reply_sport: 15_432,
            reply_dport: 40_000,
            state: State::Established,
        }
    }

    fn pods(ip: IpAddr) -> bool {
        ip.to_string().starts_with("10.42.0.")
    }

    #[test]
    fn a_service_connection_is_known_before_and_after_dnat() {
        let entries = entries(&conn("10.42.0.10"), pods);
        let dports: Vec<u16> = entries.iter().map(|(k, _)| k.dport).collect();
        assert_eq!(dports, [5432, 15_432]);
        for (_, flow) in entries {
            assert_eq!((flow.dport, flow.backend_port, flow.vantage), (5432, 15_432, vantage::SOURCE));
            assert_eq!(flow.flags, FlowValue::LOCAL | FlowValue::SEEDED);
        }
    }

    #[test]
    fn a_masqueraded_connection_of_a_pod_has_one_more_tuple() {
        let entries = entries(&conn("192.0.2.1"), pods);
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[2].0.src, bytes("192.0.2.1".parse().unwrap()));
        assert_eq!(entries[2].1.flags, FlowValue::LOCAL | FlowValue::SEEDED);
    }

    #[test]
    fn one_from_outside_is_in_transit() {
        let entries = entries(&conn("192.0.2.1"), |ip| ip.to_string() == "10.42.0.12");
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].1.vantage, entries[0].1.flags), (vantage::TRANSIT, FlowValue::SEEDED));
    }
}
