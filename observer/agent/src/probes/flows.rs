//! The tables of open connections in the kernel: those that opened lately, and those that last.

mod listed;
mod seeded;
mod trace;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use flow_model::flow::FlowTuple;
use ipnet::IpNet;
use observer_abi::{ConnKey, ConnValue, FlowKey, FlowValue};
use parking_lot::Mutex;
use tracing::{debug, warn};

use self::seeded::{entries, key};
pub(super) use self::trace::Attempts;
use self::trace::Trace;
use crate::netlink::conntrack::{Conn, State, connections};
use crate::netlink::routes::pod_facing_prefixes;
use crate::probes::batch::Batches;
use crate::probes::error::ProbeError;
use crate::probes::maps;

/// Keeps the entry that is there: the tracker's hold more.
const NOEXIST: u64 = 1;

/// Owns the tables. What the kernel's connection table lists goes into the one of lasting connections, so that no flood of
/// short or half-open connections can push it out.
pub struct Flows {
    lasting: HashMap<MapData, FlowKey, FlowValue>,
    opened: HashMap<MapData, FlowKey, FlowValue>,
    all: [Batches; 2],
    trace: Trace,
}

impl Flows {
    /// Takes the tables out of an object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let mut table = |name| {
            let map = maps::take(ebpf, name)?;
            let all = Batches::of(&map).map_err(ProbeError::system("a table of connections"))?;
            Ok::<_, ProbeError>((HashMap::try_from(map).map_err(ProbeError::map(name))?, all))
        };
        let ((opened, recent), (lasting, old)) = (table("OPENED")?, table("LASTING")?);
        Ok(Self { lasting, opened, all: [recent, old], trace: Trace::new(ebpf)? })
    }

    /// Returns whether a hook or a socket has told of a connection that conntrack holds. `attempts` holds those that are no
    /// connection yet, once they were needed.
    ///
    /// # Errors
    /// Fails when the kernel's maps can't be read.
    pub(super) fn knows(&self, conn: &Conn, attempts: &mut Option<Attempts>) -> Result<bool, ProbeError> {
        let keys = trace::keys(conn);
        if self.has(&keys)? {
            return Ok(true);
        }
        let attempts = match attempts {
            Some(attempts) => attempts,
            None => attempts.insert(self.trace.attempts()?),
        };
        // Once more: one that opened after the first look is no attempt any more.
        Ok(trace::is_among(conn, attempts) || self.has(&keys)?)
    }

    /// An entry goes from the first of these tables to the last.
    fn has(&self, keys: &[FlowKey]) -> Result<bool, ProbeError> {
        for (name, table) in
            [("OPENED", &self.opened), ("LASTING", &self.lasting), ("CLOSED", &self.trace.closed)]
        {
            for key in keys {
                if maps::contains(table, key, name)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Takes the number of attempts that have ever begun.
    pub(super) fn note_begun(&mut self, begun: u64) {
        self.trace.begun = Some(begun);
    }

    /// Returns the number of attempts that have ever begun, as of half a second ago; `None` where that can't be read.
    pub(super) fn begun(&self) -> Option<u64> {
        self.trace.begun
    }

    /// Returns the connections that the probes saw open and no side has begun to close, for nodes where conntrack can't be
    /// read. Connections older than the agent are missing. One that ends without FIN or RST stays until its table needs
    /// the room.
    ///
    /// # Errors
    /// Fails when the kernel does not let the tables be read in batches.
    pub fn list(&self) -> io::Result<Vec<FlowTuple>> {
        let mut open = Vec::new();
        for table in &self.all {
            let entries = table.read::<FlowKey, FlowValue>()?;
            open.extend(entries.iter().filter_map(|(key, flow)| listed::tuple(key, flow)));
        }
        Ok(open)
    }

    /// Keeps a connection that the tracker saw open. One that ended meanwhile leaves an entry that is pushed out some day,
    /// or replaced by the next connection of these addresses.
    pub fn keep(&mut self, tuple: &FlowTuple) {
        let client = (tuple.src, tuple.sport);
        for server in std::iter::once((tuple.dst, tuple.dport)).chain(tuple.backend) {
            let key = key(client, server);
            if let Ok(flow) = self.opened.get(&key, 0)
                && self.lasting.insert(key, flow, 0).is_ok()
            {
                // It may be gone already.
                drop(self.opened.remove(&key));
            }
        }
    }

    /// Notes a connection whose answer left by a way that no hook sees.
    pub(super) fn open(&mut self, key: &ConnKey, conn: &ConnValue) {
        let flow = FlowValue::opened(key, conn);
        let backend = (conn.backend_port != 0).then_some((conn.backend, conn.backend_port));
        for (dst, dport) in std::iter::once((conn.dst, conn.dport)).chain(backend) {
            let key = FlowKey { src: key.src, dst, sport: key.sport, dport };
            drop(self.opened.insert(key, flow, NOEXIST));
        }
    }

    fn insert(&mut self, conn: &Conn, local: &BTreeSet<IpNet>) {
        let is_local = |ip: IpAddr| local.iter().any(|prefix| prefix.contains(&ip));
        for (tuple, flow) in entries(conn, is_local) {
            // A full table evicts by itself, and an entry of the tracker is better.
            if self.opened.get(&tuple, 0).is_err() {
                drop(self.lasting.insert(tuple, flow, NOEXIST));
            }
        }
    }
}

/// Reads the connection table once, when programs are attached to every interface. The addresses behind `pod_links` are
/// those of local pods.
pub async fn seed(flows: Arc<Mutex<Flows>>, pod_links: BTreeSet<u32>) {
    let local = pod_facing_prefixes(&pod_links).await.unwrap_or_else(|error| {
        warn!(%error, "routes to pods can't be read: resets of older connections may be counted as transit");
        BTreeSet::new()
    });
    let mut known = 0u64;
    let dumped = connections(|conn| {
        if matches!(conn.state, State::Established | State::Closing) {
            flows.lock().insert(&conn, &local);
            known += 1;
        }
    });
    match dumped.await {
        Ok(()) => debug!(known, "connections older than the agent were read"),
        Err(error) => {
            warn!(%error, "connections older than the agent can't be read: their resets count as `orphan`, of which nobody saw the start");
        }
    }
}
