//! Decides from how many connections on a pod is not seen.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The connections that tell, and the time that is between the first and the last of them at least. As for pods that only an
/// uplink sees.
const ENOUGH: u32 = 3;
const SPAN: Duration = Duration::from_secs(20);
/// After this long a suspicion has to begin anew, so that rare accidents don't add up.
const STALE: Duration = Duration::from_hours(1);

/// The side of a connection that a pod is on. Each is judged for itself: the kubelet's probes come by the usual way, whatever
/// way the pod's own connections take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum End {
    Client,
    Server,
}

/// Holds what is known of the addresses that connections were missed of.
#[derive(Debug, Default)]
pub(super) struct Judge {
    suspects: HashMap<(IpAddr, End), Suspect>,
    blind: BTreeSet<(IpAddr, End)>,
}

#[derive(Clone, Copy, Debug)]
struct Suspect {
    first: Instant,
    count: u32,
}

impl Judge {
    /// Is true when it matters whether a connection of this side was seen, whatever else is known of the address.
    pub(super) fn watches(&self, ip: IpAddr, end: End) -> bool {
        self.suspects.contains_key(&(ip, end)) || self.blind.contains(&(ip, end))
    }

    /// Is true for an address of which connections are not seen.
    pub(super) fn is_blind(&self, ip: IpAddr) -> bool {
        [End::Client, End::Server].iter().any(|end| self.blind.contains(&(ip, *end)))
    }

    /// Takes a connection that was seen. Returns whether those of this side were not.
    pub(super) fn seen(&mut self, ip: IpAddr, end: End) -> bool {
        self.suspects.remove(&(ip, end));
        self.blind.remove(&(ip, end))
    }

    /// Takes a connection that nobody saw. Returns whether it is known from now on that those of this side are not seen.
    pub(super) fn unseen(&mut self, ip: IpAddr, end: End, now: Instant) -> bool {
        if self.blind.contains(&(ip, end)) {
            return false;
        }
        let fresh = Suspect { first: now, count: 0 };
        let suspect = self.suspects.entry((ip, end)).or_insert(fresh);
        if now.saturating_duration_since(suspect.first) >= STALE {
            *suspect = fresh;
        }
        suspect.count += 1;
        if suspect.count < ENOUGH || now.saturating_duration_since(suspect.first) < SPAN {
            return false;
        }
        self.suspects.remove(&(ip, end));
        self.blind.insert((ip, end))
    }

    /// Forgets addresses. Returns those that were not seen.
    pub(super) fn forget(&mut self, which: impl Fn(IpAddr) -> bool) -> BTreeSet<IpAddr> {
        self.suspects.retain(|(ip, _), _| !which(*ip));
        let gone = self.blind.extract_if(.., |(ip, _)| which(*ip));
        gone.map(|(ip, _)| ip).collect()
    }
}

#[cfg(test)]
mod tests;
