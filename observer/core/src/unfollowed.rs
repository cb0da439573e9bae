//! Recognises pods of this node whose interfaces the agent doesn't follow, by what passes the uplink.
//!
//! What a pod with a veth sends is seen there first, so that its connections have the vantage `source`. Those of a pod with
//! a macvlan, an ipvlan or an SR-IOV function are seen at the uplink, or nowhere: then only the pod's own sockets tell.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroUsize;

use arcstr::ArcStr;
use flow_identity::Resolved;
use flow_model::blind_spot::Unseen;
use flow_model::flow::{FlowTuple, Outcome, Vantage};
use flow_model::input::AttemptSeen;
use flow_model::inventory::{Inventory, Pod};
use flow_model::object_ref::ObjectRef;
use flow_model::output::Sight;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

use crate::blind_spots::BlindSpots;

/// The connections of a pod that tell, and the time that is between the first and the last of them at least. An interface may be
/// followed some moments late, or lose its programs for ten seconds.
const ENOUGH: u32 = 3;
const SPAN: SignedDuration = SignedDuration::from_secs(20);
/// The pods that are watched at most, beside those that are known to be hidden.
const MAX_WATCHED: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// The interfaces of one node's pods that are not followed, each by the address that it has. A pod in several networks may have
/// one of them beside others that are seen.
#[derive(Debug)]
pub(super) struct Unfollowed {
    node: ArcStr,
    watched: LruCache<IpAddr, Watched>,
    hidden: HashMap<IpAddr, ObjectRef>,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    first: Timestamp,
    count: u32,
}

impl Unfollowed {
    pub(super) fn new(node: ArcStr) -> Self {
        Self { node, watched: LruCache::new(MAX_WATCHED), hidden: HashMap::new() }
    }

    /// Takes an attempt. Returns the address whose sight changes, if one does. `known` has what is blind for another reason.
    pub(super) fn attempt(
        &mut self,
        seen: &AttemptSeen,
        resolved: &Resolved<'_>,
        known: &BlindSpots,
    ) -> Option<Sight> {
        let FlowTuple { src, dst, backend, .. } = seen.tuple;
        match seen.vantage {
            Vantage::Source if seen.by_socket && known.hide(src.to_canonical()) => None,
            Vantage::Source if seen.by_socket => {
                let [client, _] = resolved.named_pods();
                self.passed(src.to_canonical(), client?, seen.time)
            }
            Vantage::Source => self.seen(src.to_canonical()),
            Vantage::Destination => self.seen(backend.map_or(dst, |(ip, _)| ip).to_canonical()),
            Vantage::Transit if is_as_addressed(seen) => {
                let sides = [src, dst].into_iter().zip(resolved.named_pods());
                let pods = sides.filter_map(|(ip, pod)| Some((ip.to_canonical(), pod?)));
                pods.filter(|(ip, _)| !known.hide(*ip)).find_map(|(ip, pod)| self.passed(ip, pod, seen.time))
            }
            Vantage::Transit => None,
        }
    }

    /// Takes a new inventory. Returns the addresses of pods that it has no more.
    pub(super) fn inventory(&mut self, inventory: &Inventory) -> Vec<Sight> {
        if self.hidden.is_empty() {
            return Vec::new();
        }
        let own = inventory.pods.iter().filter(|pod| is_of(pod, &self.node)).map(|pod| pod.object_ref());
        let own: HashSet<ObjectRef> = own.collect();
        self.forget(|_, pod| !own.contains(pod))
    }

    /// Takes what is blind. Returns the addresses that are so for another reason, which explains why only an uplink sees them.
    pub(super) fn explained(&mut self, known: &BlindSpots) -> Vec<Sight> {
        self.forget(|ip, _| known.hide(ip))
    }

    fn forget(&mut self, which: impl Fn(IpAddr, &ObjectRef) -> bool) -> Vec<Sight> {
        let gone = self.hidden.extract_if(|ip, pod| which(*ip, pod));
        gone.map(|(ip, _)| Sight { ip, unseen: None }).collect()
    }

    fn seen(&mut self, ip: IpAddr) -> Option<Sight> {
        if self.hidden.is_empty() && self.watched.is_empty() {
            return None;
        }
        self.watched.pop(&ip);
        self.hidden.remove(&ip).map(|_| Sight { ip, unseen: None })
    }

    fn passed(&mut self, ip: IpAddr, pod: &Pod, time: Timestamp) -> Option<Sight> {
        if !is_of(pod, &self.node) || self.hidden.contains_key(&ip) {
            return None;
        }
        let watched = self.watched.get_or_insert_mut(ip, || Watched { first: time, count: 0 });
        watched.count += 1;
        if watched.count < ENOUGH || time.duration_since(watched.first).abs() < SPAN {
            return None;
        }
        self.watched.pop(&ip);
        let pod = pod.object_ref();
        let unseen = Unseen { why: why(&pod), hides_pod: true, addresses: vec![ip] };
        self.hidden.insert(ip, pod);
        Some(Sight { ip, unseen: Some(unseen) })
    }
}

/// Is true for a connection with the same two addresses everywhere. One that the node masquerades, as it does for clients of
/// NodePorts and VIPs, passes a pod's interface with another address, and is not recognised there. What a firewall refuses may
/// not have come so far, and anybody may send a SYN in a pod's name.
fn is_as_addressed(seen: &AttemptSeen) -> bool {
    seen.outcome == Outcome::Established && seen.tuple.backend.is_none() && seen.masqueraded.is_none()
}

/// Is true for a pod with an interface of its own on this node.
fn is_of(pod: &Pod, node: &ArcStr) -> bool {
    pod.node.as_ref() == Some(node) && !pod.host_network && !pod.finished
}

fn why(pod: &ObjectRef) -> String {
    format!(
        "no interface of pod {pod} is followed, as of one with a macvlan, an ipvlan or an SR-IOV function: its connections \
         through an uplink count as transit; of others its sockets tell what it connects to, but not what reaches it, nor \
         resets and drops; an interface like a veth mends that"
    )
}

#[cfg(test)]
mod tests;
