//! The pods of this node whose packets no hook sees: they have no interface that is followed, such as one with a macvlan, an
//! ipvlan or an SR-IOV function, or another program hides their packets. Their own sockets tell of what they connect to.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use aya::Ebpf;
use aya::maps::{HashMap as KernelMap, MapData};
use observer_abi::MAX_HIDDEN;
use parking_lot::Mutex;
use tracing::warn;

use crate::probes::convert::bytes;
use crate::probes::error::ProbeError;
use crate::probes::maps;

/// The addresses of this node's pods that have a network of their own, as the cluster's objects say.
pub type OwnPods = Arc<Mutex<BTreeSet<IpAddr>>>;

/// Owns the kernel's set of hidden addresses.
pub(super) struct Hidden {
    map: KernelMap<MapData, [u8; 16], u8>,
    pods: OwnPods,
    /// What is behind each followed interface, as far as that was read.
    behind: HashMap<u32, BTreeSet<IpAddr>>,
    /// The addresses that the last look found behind none. An interface may come a little later than its pod's address.
    candidates: BTreeSet<IpAddr>,
    set: BTreeSet<IpAddr>,
    warned: bool,
}

impl Hidden {
    /// Takes the map out of the object.
    pub(super) fn new(ebpf: &mut Ebpf, pods: OwnPods) -> Result<Self, ProbeError> {
        Ok(Self {
            map: maps::hash(ebpf, "HIDDEN")?,
            pods,
            behind: HashMap::new(),
            candidates: BTreeSet::new(),
            set: BTreeSet::new(),
            warned: false,
        })
    }

    /// Is true when some pod's address is behind none of these interfaces, as far as is known.
    pub(super) fn is_unclear(&self, interfaces: &[u32]) -> bool {
        !missing(&self.pods.lock(), &self.behind, interfaces).is_empty() || !self.candidates.is_empty()
    }

    /// Returns the addresses of this node's pods that an interface leads to, as far as that was read.
    pub(super) fn behind(&self, ifindex: u32) -> Vec<IpAddr> {
        let pods = self.pods.lock();
        self.behind.get(&ifindex).map_or_else(Vec::new, |here| here.intersection(&pods).copied().collect())
    }

    /// Takes what is behind each interface that is followed, and in sight. Without it nothing is known, and nobody is hidden.
    pub(super) fn look(&mut self, behind: Option<HashMap<u32, BTreeSet<IpAddr>>>) {
        let found = behind.map(|behind| {
            let interfaces: Vec<u32> = behind.keys().copied().collect();
            self.behind = behind;
            missing(&self.pods.lock(), &self.behind, &interfaces)
        });
        let found = found.unwrap_or_default();
        let hidden = found.intersection(&self.candidates).copied();
        let hidden: BTreeSet<IpAddr> =
            hidden.take(usize::try_from(MAX_HIDDEN).unwrap_or(usize::MAX)).collect();
        self.candidates = found;
        if let Err(error) = self.put(hidden)
            && !std::mem::replace(&mut self.warned, true)
        {
            warn!(%error, "attempts of pods that no interface is followed of are not seen; this is logged once");
        }
    }

    fn put(&mut self, hidden: BTreeSet<IpAddr>) -> Result<(), ProbeError> {
        for ip in self.set.difference(&hidden) {
            self.map.remove(&bytes(*ip)).map_err(ProbeError::map("HIDDEN"))?;
        }
        for ip in hidden.difference(&self.set) {
            self.map.insert(bytes(*ip), 1, 0).map_err(ProbeError::map("HIDDEN"))?;
        }
        self.set = hidden;
        Ok(())
    }
}

/// Returns the addresses of pods that none of these interfaces leads to.
fn missing(
    pods: &BTreeSet<IpAddr>,
    behind: &HashMap<u32, BTreeSet<IpAddr>>,
    interfaces: &[u32],
) -> BTreeSet<IpAddr> {
    let known: Vec<_> = interfaces.iter().filter_map(|ifindex| behind.get(ifindex)).collect();
    pods.iter().filter(|ip| !known.iter().any(|here| here.contains(ip))).copied().collect()
}
