//! Recognises pods of this node whose interfaces the agent doesn't follow, by what passes the uplink.
//!
//! What a pod with a veth sends is seen there first, so that its connections have the vantage `source`. Those of a pod with
//! a macvlan, an ipvlan or an SR-IOV function are seen at the uplink only, and those between two such pods of a node nowhere.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use arcstr::ArcStr;
use flow_identity::Resolved;
use flow_model::blind_spot::Unseen;
use flow_model::flow::{Outcome, Vantage};
use flow_model::input::AttemptSeen;
use flow_model::inventory::{Inventory, Pod};
use flow_model::object_ref::ObjectRef;
use flow_model::output::Sight;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

/// The connections of a pod that tell, and the time that is between the first and the last of them at least. An interface may be
/// followed some moments late, or lose its programs for ten seconds.
const ENOUGH: u32 = 3;
const SPAN: SignedDuration = SignedDuration::from_secs(20);
/// The pods that are watched at most, beside those that are known to be hidden.
const MAX_WATCHED: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// The pods of one node that are not followed.
#[derive(Debug)]
pub(super) struct Unfollowed {
    node: ArcStr,
    watched: LruCache<ObjectRef, Watched>,
    hidden: HashSet<ObjectRef>,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    first: Timestamp,
    count: u32,
}

impl Unfollowed {
    pub(super) fn new(node: ArcStr) -> Self {
        Self { node, watched: LruCache::new(MAX_WATCHED), hidden: HashSet::new() }
    }

    /// Takes an attempt. Returns the pod whose sight changes, if one does.
    pub(super) fn attempt(&mut self, seen: &AttemptSeen, resolved: &Resolved<'_>) -> Option<Sight> {
        match seen.vantage {
            Vantage::Source => self.seen(resolved.client_pod()),
            Vantage::Destination => self.seen(resolved.server_pod()),
            Vantage::Transit if is_as_addressed(seen) => {
                let pods = [resolved.client_pod(), resolved.server_pod()];
                pods.into_iter().flatten().find_map(|pod| self.passed(pod, seen.time))
            }
            Vantage::Transit => None,
        }
    }

    /// Takes a new inventory. Returns the pods that it has no more.
    pub(super) fn inventory(&mut self, inventory: &Inventory) -> Vec<Sight> {
        if self.hidden.is_empty() {
            return Vec::new();
        }
        let own: HashSet<ObjectRef> =
            inventory.pods.iter().filter(|pod| is_of(pod, &self.node)).map(|pod| pod.object_ref()).collect();
        let gone = self.hidden.extract_if(|pod| !own.contains(pod));
        gone.map(|pod| Sight { pod, unseen: None }).collect()
    }

    fn seen(&mut self, pod: Option<&Pod>) -> Option<Sight> {
        if self.hidden.is_empty() && self.watched.is_empty() {
            return None;
        }
        let pod = pod?.object_ref();
        self.watched.pop(&pod);
        self.hidden.remove(&pod).then_some(Sight { pod, unseen: None })
    }

    fn passed(&mut self, pod: &Pod, time: Timestamp) -> Option<Sight> {
        let name = pod.object_ref();
        if !is_of(pod, &self.node) || self.hidden.contains(&name) {
            return None;
        }
        let watched = self.watched.get_or_insert_mut(name.clone(), || Watched { first: time, count: 0 });
        watched.count += 1;
        if watched.count < ENOUGH || time.duration_since(watched.first).abs() < SPAN {
            return None;
        }
        self.watched.pop(&name);
        self.hidden.insert(name.clone());
        let unseen = Unseen { why: why(&name), hides_pod: true, addresses: pod.ips.clone() };
        Some(Sight { pod: name, unseen: Some(unseen) })
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
        "connections of pod {pod} are seen at the uplink only, as of one with a macvlan, an ipvlan or an SR-IOV function: they \
         count as transit, and those between two such pods of this node are not seen; an interface like a veth mends that"
    )
}

#[cfg(test)]
mod tests;
