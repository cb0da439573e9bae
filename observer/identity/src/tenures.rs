//! The pods that held each address, and when.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use flow_model::inventory::Pod;
use jiff::{SignedDuration, Timestamp};

/// The time for which a pod or a Service that is gone still gives its name to its address, unless another one took the
/// address.
pub const RETENTION: SignedDuration = SignedDuration::from_mins(5);

/// An event may be this much older than the start of the pod it belongs to: clocks differ, and a pod without
/// start time is known only since it was seen. This applies only where nobody held the address before.
const SKEW: SignedDuration = SignedDuration::from_secs(2);

/// The longest time between the moment an event is seen and the moment it is handled. What events need is kept as long.
const LATE: SignedDuration = SignedDuration::from_secs(30);

/// Most pods remembered per address.
const MAX_PER_IP: usize = 16;

/// Most ended tenures remembered: 65,536 are about 5 MiB.
const MAX_ENDED: usize = 65_536;

/// Holds one pod's time with an address.
#[derive(Debug)]
struct Tenure {
    pod: Arc<Pod>,
    from: Timestamp,
    /// The time at which the API was first seen to give the address to the pod. `None` if that was before the first pods
    /// were listed.
    listed: Option<Timestamp>,
    /// The time at which the pod was seen to be gone or finished. `None` while it lives; a pod that is being deleted
    /// lives.
    until: Option<Timestamp>,
}

/// Holds the tenures by address, each list in the order of `from`.
#[derive(Debug, Default)]
pub(super) struct Tenures {
    by_ip: HashMap<IpAddr, Vec<Tenure>>,
    /// Is true once a snapshot was applied: a pod that is new to us since then is new.
    primed: bool,
    /// Is true once pods were listed: an address that is new to us since then is new.
    has_listed: bool,
}

impl Tenures {
    /// Ends the tenures that the pods no longer claim, then begins new ones.
    pub(super) fn apply(&mut self, pods: &[Arc<Pod>], now: Timestamp) {
        let mut claims: HashMap<IpAddr, Vec<&Arc<Pod>>> = HashMap::with_capacity(pods.len());
        for pod in pods.iter().filter(|pod| !pod.host_network && !pod.finished) {
            for ip in &pod.ips {
                claims.entry(ip.to_canonical()).or_default().push(pod);
            }
        }
        for (ip, tenures) in &mut self.by_ip {
            let mut unclaimed = Vec::new();
            continue_claimed(tenures, claims.get_mut(ip).unwrap_or(&mut unclaimed), now);
        }
        for (ip, mut pods) in claims {
            // The later start comes last and wins; of two equal ones that which isn't going.
            pods.sort_by_key(|pod| (pod.start, !pod.deleting));
            for pod in pods {
                self.begin(ip, pod, now);
            }
        }
        self.primed = true;
        self.has_listed |= !pods.is_empty();
        self.bound();
    }

    /// Returns the pod that had the address at that time: of the tenures begun by then, the latest whose pod still held
    /// the address or lost it no longer than [`RETENTION`] before.
    pub(super) fn owner(&self, ip: IpAddr, at: Timestamp) -> Option<&Arc<Pod>> {
        self.tenure(ip, at).map(|tenure| &tenure.pod)
    }

    /// Returns when the API was first seen to give the address to the pod that had it at that time, if that was seen.
    pub(super) fn listed(&self, ip: IpAddr, at: Timestamp) -> Option<Timestamp> {
        self.tenure(ip, at)?.listed
    }

    /// Forgets tenures that ended long ago; returns true if there were any.
    pub(super) fn prune(&mut self, now: Timestamp) -> bool {
        self.forget(|until| now.duration_since(until) > RETENTION + LATE)
    }

    /// Returns the pod of each tenure.
    pub(super) fn pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.by_ip.values().flatten().map(|tenure| &tenure.pod)
    }

    /// Is true when there is no tenure.
    pub(super) fn is_empty(&self) -> bool {
        self.by_ip.is_empty()
    }

    /// Returns the number of tenures.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_ip.values().map(Vec::len).sum()
    }

    fn tenure(&self, ip: IpAddr, at: Timestamp) -> Option<&Tenure> {
        let tenures = self.by_ip.get(&ip)?;
        let begun = tenures.partition_point(|tenure| tenure.from <= at);
        let holder = tenures[..begun].iter().rev().find(|tenure| tenure.covers(at));
        holder.or_else(|| tenures.get(begun).filter(|tenure| tenure.from.duration_since(at) <= SKEW))
    }

    fn begin(&mut self, ip: IpAddr, pod: &Arc<Pod>, now: Timestamp) {
        let unknown = if self.primed { now } else { Timestamp::MIN };
        // It has the address now, whatever its clock shows.
        let start = pod.start.unwrap_or(unknown).min(now);
        let tenures = self.by_ip.entry(ip).or_default();
        let from = tenures.last().map_or(start, |last| last.successor(start, now));
        if tenures.len() >= MAX_PER_IP {
            tenures.remove(0);
        }
        let listed = self.has_listed.then_some(now);
        tenures.push(Tenure { pod: Arc::clone(pod), from, listed, until: None });
    }

    /// Pods that come and go faster than they are pruned must not take memory without bound: those gone for longest are
    /// forgotten first.
    fn bound(&mut self) {
        let mut ends: Vec<_> = self.by_ip.values().flatten().filter_map(|tenure| tenure.until).collect();
        if ends.len() > MAX_ENDED {
            let excess = ends.len() - MAX_ENDED;
            let (_, last, _) = ends.select_nth_unstable(excess - 1);
            let last = *last;
            self.forget(|until| until <= last);
        }
    }

    fn forget(&mut self, old: impl Fn(Timestamp) -> bool) -> bool {
        let mut any = false;
        self.by_ip.retain(|_, tenures| {
            let before = tenures.len();
            tenures.retain(|tenure| !tenure.until.is_some_and(&old));
            any |= tenures.len() != before;
            !tenures.is_empty()
        });
        any
    }
}

impl Tenure {
    fn covers(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at.duration_since(until) <= RETENTION)
    }

    /// Returns when a pod that is seen with the address after this one begins to hold it.
    ///
    /// A start time is rounded down to a second, and is when the kubelet took the pod, before it had an address. So if
    /// this pod was seen to end, and the new one was seen only later, the address changed hands after that end, however
    /// early the new pod started. If both were seen at once, the start is the only evidence.
    fn successor(&self, start: Timestamp, now: Timestamp) -> Timestamp {
        match self.until.filter(|until| *until < now) {
            Some(until) => start.max(until).max(self.from),
            None if start > self.from => start,
            None => now.max(self.from),
        }
    }
}

/// Continues the tenures of one address that are claimed (and removes their claims), and ends the others.
fn continue_claimed(tenures: &mut [Tenure], claims: &mut Vec<&Arc<Pod>>, now: Timestamp) {
    let last = tenures.len().saturating_sub(1);
    for (index, tenure) in tenures.iter_mut().enumerate() {
        // One that ended continues only if no other pod came after it: it was missing from the source for a while.
        let may_continue = tenure.until.is_none() || index == last;
        match claims.iter().position(|pod| may_continue && same(pod, &tenure.pod)) {
            Some(claim) => {
                tenure.pod = Arc::clone(claims.swap_remove(claim));
                tenure.until = None;
            }
            None => tenure.until = tenure.until.or(Some(now)),
        }
    }
}

/// Hand-written pods have no uid; a new start then means a new pod.
fn same(a: &Pod, b: &Pod) -> bool {
    let named = a.name == b.name && a.namespace == b.namespace && a.uid == b.uid;
    named && (!a.uid.is_empty() || a.start == b.start)
}
