//! The traces that a connection leaves in the programs' tables, if a hook or a socket has told of it.

use std::collections::HashSet;
use std::net::IpAddr;

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use observer_abi::{ConnKey, ConnValue, FlowKey, FlowValue};

use super::seeded::key;
use crate::netlink::conntrack::Conn;
use crate::probes::batch::Batches;
use crate::probes::convert::bytes;
use crate::probes::error::ProbeError;
use crate::probes::maps;

/// The clients of attempts that are pending, or that ended without a connection as far as the hooks saw.
pub(in crate::probes) type Attempts = HashSet<([u8; 16], u16)>;

/// The tables beside those of open connections.
pub(super) struct Trace {
    pub(super) closed: HashMap<MapData, FlowKey, FlowValue>,
    attempts: [Batches; 2],
    /// The number of attempts that have ever begun.
    pub(super) begun: Option<u64>,
}

impl Trace {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let closed = maps::hash(ebpf, "CLOSED")?;
        let table = |name| {
            let map = ebpf.map(name).ok_or(ProbeError::NoMap(name))?;
            Batches::of(map).map_err(ProbeError::system("a table of attempts"))
        };
        Ok(Self { closed, attempts: [table("CONNS")?, table("ENDED")?], begun: None })
    }

    /// Returns the clients of all attempts. Their tables are keyed by sequence number, which conntrack doesn't tell.
    pub(super) fn attempts(&self) -> Result<Attempts, ProbeError> {
        let mut clients = Attempts::new();
        for table in &self.attempts {
            let entries = table.read::<ConnKey, ConnValue>();
            let entries = entries.map_err(ProbeError::system("reading the tables of attempts"))?;
            clients.extend(entries.iter().map(|(key, _)| (key.src, key.sport)));
        }
        Ok(clients)
    }
}

/// Returns the keys under which hooks may have seen a connection: before and after NAT of either side. Of one that was met in
/// the middle, conntrack may take the server for the client.
pub(super) fn keys(conn: &Conn) -> [FlowKey; 8] {
    let [client, masqueraded] = clients(conn);
    let (server, backend) = ((conn.orig_dst, conn.orig_dport), (conn.reply_src, conn.reply_sport));
    [
        key(client, server),
        key(client, backend),
        key(masqueraded, backend),
        key(masqueraded, server),
        key(server, client),
        key(backend, client),
        key(backend, masqueraded),
        key(server, masqueraded),
    ]
}

/// Is true when one of the attempts may be the beginning of the connection.
pub(super) fn is_among(conn: &Conn, attempts: &Attempts) -> bool {
    clients(conn).iter().any(|(ip, port)| attempts.contains(&(bytes(*ip), *port)))
}

fn clients(conn: &Conn) -> [(IpAddr, u16); 2] {
    [(conn.orig_src, conn.orig_sport), (conn.reply_dst, conn.reply_dport)]
}

#[cfg(test)]
mod tests;
