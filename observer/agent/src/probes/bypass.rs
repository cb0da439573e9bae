//! Notices pods whose packets go past the hooks of their interface.
//!
//! `bpf_redirect_peer` (5.10+) hands a packet to the other end of a veth without passing the host's end, as Cilium does
//! with its host routing. The pod's answers do pass. So a pod that answers SYNs which were not seen on their way into it
//! shows that its packets take another way.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::{HashMap as KernelMap, MapData, MapError};
use observer_abi::Handshakes;

use crate::probes::error::ProbeError;
use crate::probes::maps;

/// Answers of a pod to SYNs that entered the node elsewhere, from which on they are no accident of attaching.
const BYPASSED: u64 = 3;
/// Answers between two looks to SYNs that no hook saw. At least two looks in a row have to find so many.
const UNKNOWN: u64 = 5;
/// For this long a server repeats the answers to SYNs that are forgotten: 63 s with Linux' default of 5 repetitions,
/// <https://docs.kernel.org/networking/ip-sysctl.html> (`tcp_synack_retries`).
const REPEATED: Duration = Duration::from_secs(120);
/// A pod that showed nothing of this kind for so long is taken to be seen again.
const OVER: Duration = Duration::from_mins(10);

/// Owns the counts of handshakes at pods' interfaces.
pub(super) struct Bypasses {
    counts: KernelMap<MapData, u32, Handshakes>,
    pods: HashMap<u32, Pod>,
}

/// Knows what was seen at one pod's interface.
#[derive(Clone, Debug)]
struct Pod {
    counts: Handshakes,
    /// SYN-ACKs to SYNs that entered the node elsewhere, without a long pause between them.
    bypassed: u64,
    /// The last look that found one.
    newest: Option<Instant>,
    /// Looks in a row that found answers to SYNs that no hook saw.
    unknown: u32,
    /// The last time at which a SYN was seen on its way into the pod; at first that of the first look.
    asked: Instant,
    /// The last look that found a bypass.
    found: Option<Instant>,
}

impl Bypasses {
    /// Takes the counts out of the object.
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self { counts: maps::hash(ebpf, "HANDSHAKES")?, pods: HashMap::new() })
    }

    /// Forgets what was seen at an interface: it has gone, or programs are attached to it anew.
    pub(super) fn forget(&mut self, ifindex: u32) {
        self.pods.remove(&ifindex);
        // Most interfaces have no entry.
        drop(self.counts.remove(&ifindex));
    }

    /// Looks at a pod's interface. Returns whether its packets go past the hooks; `None` if that can't be read.
    pub(super) fn look(&mut self, ifindex: u32, now: Instant) -> Option<bool> {
        let counts = match self.counts.get(&ifindex, 0) {
            Ok(counts) => counts,
            Err(MapError::KeyNotFound) => Handshakes::default(),
            Err(_) => return None,
        };
        // What was on its way while the programs were attached proves nothing.
        let pod = self.pods.entry(ifindex).or_insert_with(|| Pod::new(counts, now));
        Some(pod.look(counts, now))
    }
}

impl Pod {
    fn new(counts: Handshakes, now: Instant) -> Self {
        Self { counts, bypassed: 0, newest: None, unknown: 0, asked: now, found: None }
    }

    fn look(&mut self, counts: Handshakes, now: Instant) -> bool {
        let before = std::mem::replace(&mut self.counts, counts);
        let since = Handshakes {
            syns: counts.syns.saturating_sub(before.syns),
            bypassed: counts.bypassed.saturating_sub(before.bypassed),
            unknown: counts.unknown.saturating_sub(before.unknown),
        };
        if since.syns > 0 {
            self.asked = now;
        }
        let is_asked = now.saturating_duration_since(self.asked) < REPEATED;
        self.unknown = if since.unknown >= UNKNOWN && !is_asked { self.unknown + 1 } else { 0 };
        let is_over = |at: &mut Instant| now.saturating_duration_since(*at) >= OVER;
        if self.newest.take_if(is_over).is_some() {
            self.bypassed = 0;
        }
        if since.bypassed > 0 {
            self.bypassed += since.bypassed;
            self.newest = Some(now);
        }
        self.found.take_if(is_over);
        if (since.bypassed > 0 && self.bypassed >= BYPASSED) || self.unknown >= 2 {
            self.found = Some(now);
        }
        self.found.is_some()
    }
}

#[cfg(test)]
mod tests;
