//! Whose sockets they are in the node's own network, by cgroup. Pods with `hostNetwork` share the node's addresses, so that
//! nothing else tells them from the node and from each other.
//!
//! The program of sockets notes the cgroups; here their names become the UIDs of pods. What it has not noted stays unknown: a
//! listener that is older than the agent, until it accepts a connection, and for ever where Kubernetes uses cgroup v1.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use arcstr::ArcStr;
use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use flow_model::flow::FlowTuple;
use flow_model::input::AttemptSeen;
use lru::LruCache;
use observer_abi::{CgroupKey, CgroupNames, Cgroups, ConnKey, Listening};
use tracing::debug;

use crate::probes::batch::Batches;
use crate::probes::convert;
use crate::probes::error::ProbeError;
use crate::probes::maps;

mod held;
mod pod_uid;
mod program;

pub(super) use self::held::HeldOwners;
pub(super) use self::program::attach;

/// Cgroups whose pod is remembered.
const MAX_KNOWN: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");

/// Owns the notes of the program of sockets.
pub(super) struct Owners {
    clients: HashMap<MapData, ConnKey, Cgroups>,
    listeners: Batches,
    names: HashMap<MapData, CgroupKey, CgroupNames>,
    known: LruCache<CgroupKey, Option<ArcStr>>,
    /// The listeners by their port, as of the last tick.
    listening: BTreeMap<u16, Vec<(Listening, Option<ArcStr>)>>,
}

impl Owners {
    /// Takes the maps out of the object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        let listeners = maps::take(ebpf, "LISTENERS")?;
        Ok(Self {
            clients: maps::hash(ebpf, "OWNERS")?,
            listeners: Batches::of(&listeners).map_err(ProbeError::system("the map of listeners"))?,
            names: maps::hash(ebpf, "CGROUPS")?,
            known: LruCache::new(MAX_KNOWN),
            listening: BTreeMap::new(),
        })
    }

    /// Reads who listens. Called at intervals.
    pub(super) fn tick(&mut self) {
        let entries = match self.listeners.read::<u64, Listening>() {
            Ok(entries) => entries,
            Err(error) => return debug!(%error, "the map of listeners can't be read"),
        };
        let mut listening: BTreeMap<u16, Vec<_>> = BTreeMap::new();
        for (_, listener) in entries {
            let uid = self.pod(&listener.cgroups);
            listening.entry(listener.port).or_default().push((listener, uid));
        }
        self.listening = listening;
    }

    /// Adds the pod that listens where an attempt ended.
    pub(super) fn server(&self, seen: &mut AttemptSeen) {
        let FlowTuple { dst, dport, backend, .. } = seen.tuple;
        let (ip, port) = backend.unwrap_or((dst, dport));
        let ip = convert::bytes(ip);
        let at = self.listening.get(&port).into_iter().flatten();
        let mut here =
            at.filter(|(listener, _)| listener.ip == ip || is_any(&listener.ip)).map(|(_, uid)| uid);
        if let Some(Some(first)) = here.next()
            && here.all(|other| other.as_ref() == Some(first))
        {
            seen.server_uid = Some(first.clone());
        }
    }

    /// Adds the pod that began an attempt. Returns false if nothing is noted of it.
    pub(super) fn client(&mut self, seen: &mut AttemptSeen) -> bool {
        let key = ConnKey {
            src: convert::bytes(seen.tuple.src),
            isn: seen.isn,
            sport: seen.tuple.sport,
            _pad: [0; 2],
        };
        let Ok(cgroups) = self.clients.get(&key, 0) else { return false };
        seen.client_uid = self.pod(&cgroups);
        true
    }

    /// Returns the UID of the pod that one of the cgroups belongs to.
    fn pod(&mut self, cgroups: &Cgroups) -> Option<ArcStr> {
        cgroups.iter().filter(|cgroup| cgroup.at != 0).find_map(|cgroup| self.pod_of(cgroup))
    }

    fn pod_of(&mut self, cgroup: &CgroupKey) -> Option<ArcStr> {
        if let Some(known) = self.known.get(cgroup) {
            return known.clone();
        }
        let names = self.names.get(cgroup, 0).ok()?;
        let uid = pod_uid::of(&names);
        self.known.put(*cgroup, uid.clone());
        uid
    }
}

/// Is true for the address of a socket that listens on all of them.
fn is_any(ip: &[u8; 16]) -> bool {
    let ip = convert::ip(*ip);
    ip.is_unspecified()
}
