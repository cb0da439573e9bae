//! Recognises pods of this node whose interfaces the agent doesn't follow, by what passes the uplink.
//!
//! What a pod with a veth sends is seen there first, so that its connections have the vantage `source`. Those of a pod with
//! a macvlan, an ipvlan or an SR-IOV function are seen at the uplink only, and those between two such pods of a node nowhere.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::blind_spot::Unseen;
use flow_model::flow::{Outcome, Vantage};
use flow_model::inventory::Inventory;
use flow_model::object_ref::ObjectRef;
use flow_model::record::{Attempt, Endpoint};
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;

/// The connections of a pod that tell, and the time that is between the first and the last of them at least. An interface may be
/// followed some moments late, or lose its programs for ten seconds.
const ENOUGH: u32 = 3;
const SPAN: SignedDuration = SignedDuration::from_secs(20);
/// The pods that are watched at most, beside those that are known to be hidden.
const MAX_WATCHED: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// A change of what is known about a pod.
#[derive(Debug)]
pub(super) enum Change {
    Hidden(Unseen),
    /// It is seen, or it is gone.
    Seen,
}

/// The pods of one node that are not followed.
#[derive(Debug)]
pub(super) struct Unfollowed {
    node: ArcStr,
    inventory: Arc<Inventory>,
    /// The pods of this node in `inventory` that have interfaces of their own, by index.
    own: HashMap<ObjectRef, usize>,
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
        Self {
            node,
            inventory: Arc::default(),
            own: HashMap::new(),
            watched: LruCache::new(MAX_WATCHED),
            hidden: HashSet::new(),
        }
    }

    /// Takes a record. Returns the pod whose sight changes, if one does.
    pub(super) fn attempt(
        &mut self,
        attempt: &Attempt,
        time: Timestamp,
        inventory: &Arc<Inventory>,
    ) -> Option<(ObjectRef, Change)> {
        match attempt.vantage {
            Vantage::Source => self.seen(&attempt.src),
            Vantage::Destination => self.seen(&attempt.dst),
            // A firewall of the node may refuse before the pod's own interface; then nothing reached the pod.
            Vantage::Transit => {
                [Some(&attempt.src), Some(&attempt.dst).filter(|_| attempt.outcome == Outcome::Established)]
                    .into_iter()
                    .flatten()
                    .find_map(|endpoint| self.passed(endpoint, time, inventory))
            }
        }
    }

    /// Takes a new inventory. Returns the pods that it has no more.
    pub(super) fn inventory(&mut self, inventory: &Arc<Inventory>) -> Vec<ObjectRef> {
        if self.hidden.is_empty() {
            return Vec::new();
        }
        self.index(inventory);
        self.hidden.extract_if(|pod| !self.own.contains_key(pod)).collect()
    }

    fn seen(&mut self, endpoint: &Endpoint) -> Option<(ObjectRef, Change)> {
        if self.hidden.is_empty() && self.watched.is_empty() {
            return None;
        }
        let pod = name(endpoint)?;
        self.watched.pop(&pod);
        self.hidden.remove(&pod).then_some((pod, Change::Seen))
    }

    fn passed(
        &mut self,
        endpoint: &Endpoint,
        time: Timestamp,
        inventory: &Arc<Inventory>,
    ) -> Option<(ObjectRef, Change)> {
        let pod = name(endpoint)?;
        if self.hidden.contains(&pod) {
            return None;
        }
        self.index(inventory);
        let index = *self.own.get(&pod)?;
        let watched = self.watched.get_or_insert_mut(pod.clone(), || Watched { first: time, count: 0 });
        watched.count += 1;
        if watched.count < ENOUGH || time.duration_since(watched.first).abs() < SPAN {
            return None;
        }
        self.watched.pop(&pod);
        self.hidden.insert(pod.clone());
        let addresses = self.inventory.pods[index].ips.clone();
        Some((pod.clone(), Change::Hidden(Unseen { why: why(&pod), hides_pod: true, addresses })))
    }

    fn index(&mut self, inventory: &Arc<Inventory>) {
        if Arc::ptr_eq(&self.inventory, inventory) {
            return;
        }
        self.inventory = Arc::clone(inventory);
        let own =
            inventory.pods.iter().enumerate().filter(|(_, pod)| {
                pod.node.as_ref() == Some(&self.node) && !pod.host_network && !pod.finished
            });
        self.own = own.map(|(index, pod)| (pod.object_ref(), index)).collect();
    }
}

fn name(endpoint: &Endpoint) -> Option<ObjectRef> {
    Some(ObjectRef::new(endpoint.namespace.clone()?, endpoint.pod.clone()?))
}

fn why(pod: &ObjectRef) -> String {
    format!(
        "connections of pod {pod} are seen at the uplink only, as of one with a macvlan, an ipvlan or an SR-IOV function: they \
         count as transit, and those between two such pods of this node are not seen; an interface like a veth mends that"
    )
}

#[cfg(test)]
mod tests;
