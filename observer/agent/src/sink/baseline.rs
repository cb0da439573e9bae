//! The flows of `/api/v1/snapshot`: which workloads reached which, on which ports.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_model::baseline::{BaselineEnd, BaselineFlow};
use flow_model::inventory::{Inventory, Pod};
use flow_model::object_ref::ObjectRef;
use flow_model::output::OpenFlow;
use flow_model::policies::Protocol;
use flow_model::record::{Attempt, Endpoint};
use jiff::Timestamp;
use lru::LruCache;
use parking_lot::Mutex;

/// Holds the flows, bounded: new ones replace the least recently seen. Flows with a side outside the cluster share a
/// quarter of the room, so that hosts outside that try every address can't displace the flows between workloads.
#[derive(Debug)]
pub struct BaselineTable {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    inside: LruCache<Key, Row>,
    outside: LruCache<Key, Row>,
    lost: u64,
    pods: Arc<PodNames>,
}

type PodNames = HashMap<(ArcStr, ArcStr), Arc<Pod>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    src: Side,
    dst: Side,
    port: u16,
    service: Option<ObjectRef>,
    /// The address that the client used: what the policies see depends on it.
    used: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Side {
    /// Namespace, kind, name.
    Workload(ArcStr, Option<ArcStr>, ArcStr),
    Node(ArcStr),
    Address(IpAddr),
}

#[derive(Clone, Debug)]
struct Row {
    src: Seen,
    dst: Seen,
    count: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    open: u64,
}

/// An endpoint, and the pod behind it when it was seen.
#[derive(Clone, Debug)]
struct Seen {
    endpoint: Endpoint,
    pod: Option<Arc<Pod>>,
}

impl BaselineTable {
    pub(super) fn new(max_flows: usize) -> Self {
        let outside = max_flows / 4;
        let room = |n: usize| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        let inner = Inner {
            inside: LruCache::new(room(max_flows - outside)),
            outside: LruCache::new(room(outside)),
            lost: 0,
            pods: Arc::default(),
        };
        Self { inner: Mutex::new(inner) }
    }

    /// Returns the number of flows.
    pub(super) fn len(&self) -> usize {
        let inner = self.inner.lock();
        inner.inside.len() + inner.outside.len()
    }

    /// Replaces the snapshot of the cluster, which has the labels of pods.
    pub(super) fn set_inventory(&self, inventory: &Inventory) {
        let name = |pod: &Arc<Pod>| ((pod.namespace.clone(), pod.name.clone()), Arc::clone(pod));
        let pods = Arc::new(inventory.pods.iter().map(name).collect());
        let old = std::mem::replace(&mut self.inner.lock().pods, pods);
        // Not under the lock: many pods take a while to go.
        drop(old);
    }

    /// Counts attempts that were established.
    pub(super) fn observe(&self, attempt: &Attempt, time: Timestamp) {
        self.inner.lock().observe(attempt, time);
    }

    /// Replaces the counts of open connections. A flow that was never seen to open gets a row, too: a baseline must not
    /// miss the connections that are older than the agent.
    pub fn set_open(&self, flows: impl IntoIterator<Item = OpenFlow>, now: Timestamp) {
        let mut inner = self.inner.lock();
        let Inner { inside, outside, .. } = &mut *inner;
        inside.iter_mut().chain(outside.iter_mut()).for_each(|(_, row)| row.open = 0);
        for OpenFlow { src, dst, since, open } in flows {
            let row = inner.row(&src, &dst, since);
            row.open += open;
            row.first_seen = row.first_seen.min(since);
            row.last_seen = row.last_seen.max(now);
        }
    }

    /// Returns all flows, most recently seen first, and how many were replaced.
    #[must_use]
    pub fn snapshot(&self) -> (Vec<BaselineFlow>, u64) {
        let (rows, pods, lost) = {
            let inner = self.inner.lock();
            let rows = inner.inside.iter().chain(inner.outside.iter());
            let rows: Vec<Row> = rows.map(|(_, row)| row.clone()).collect();
            (rows, Arc::clone(&inner.pods), inner.lost)
        };
        // The rest is no longer the writer's business.
        let mut flows: Vec<_> = rows.into_iter().map(|row| row.into_flow(&pods)).collect();
        flows.sort_by_key(|flow| std::cmp::Reverse(flow.last_seen));
        (flows, lost)
    }
}

impl Inner {
    fn observe(&mut self, attempt: &Attempt, time: Timestamp) {
        let row = self.row(&attempt.src, &attempt.dst, time);
        row.count += attempt.count;
        row.first_seen = row.first_seen.min(time);
        row.last_seen = row.last_seen.max(time);
    }

    /// Returns the flow's row, which becomes the most recent one, with these two ends as its example.
    fn row(&mut self, src: &Endpoint, dst: &Endpoint, time: Timestamp) -> &mut Row {
        let (src, dst) = (Seen::new(src, &self.pods), Seen::new(dst, &self.pods));
        let key = Key {
            src: Side::of(&src.endpoint),
            dst: Side::of(&dst.endpoint),
            port: port(&dst.endpoint),
            service: dst.endpoint.service.clone(),
            used: used(&dst.endpoint),
        };
        let rows = if key.is_outside() { &mut self.outside } else { &mut self.inside };
        if rows.len() == rows.cap().get() && !rows.contains(&key) {
            self.lost += 1;
        }
        let fresh =
            Row { src: src.clone(), dst: dst.clone(), count: 0, first_seen: time, last_seen: time, open: 0 };
        let row = rows.get_or_insert_mut(key, || fresh);
        row.src.renew(src);
        row.dst.renew(dst);
        row
    }
}

impl Key {
    fn is_outside(&self) -> bool {
        matches!((&self.src, &self.dst), (Side::Address(_), _) | (_, Side::Address(_)))
    }
}

impl Side {
    fn of(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint { namespace: Some(namespace), workload: Some(workload), workload_kind, .. } => {
                Self::Workload(namespace.clone(), workload_kind.clone(), workload.clone())
            }
            // Of a Service whose backend is not known.
            Endpoint { service: Some(service), .. } => {
                Self::Workload(ArcStr::new(), None, arcstr::format!("{service}"))
            }
            Endpoint { node: Some(node), .. } => Self::Node(node.clone()),
            Endpoint { ip, backend_ip, .. } => Self::Address(backend_ip.unwrap_or(*ip)),
        }
    }
}

impl Seen {
    fn new(endpoint: &Endpoint, pods: &PodNames) -> Self {
        Self { endpoint: endpoint.clone(), pod: find(endpoint, pods) }
    }

    /// Replaces the example, and keeps what was known of the same pod before.
    fn renew(&mut self, newer: Self) {
        let same = self.endpoint.pod == newer.endpoint.pod;
        let known = self.pod.take().filter(|_| same);
        *self = Self { pod: newer.pod.or(known), endpoint: newer.endpoint };
    }

    fn into_end(self, pods: &PodNames) -> BaselineEnd {
        let Self { endpoint, pod } = self;
        let pod = find(&endpoint, pods).or(pod);
        BaselineEnd {
            used: used(&endpoint),
            namespace: endpoint.namespace,
            pod: endpoint.pod,
            workload: endpoint.workload,
            kind: endpoint.workload_kind,
            labels: pod.as_ref().map(|pod| pod.labels.clone()),
            ports: pod.as_ref().map(|pod| pod.ports.clone()).unwrap_or_default(),
            host_network: pod.as_ref().is_some_and(|pod| pod.host_network),
            node: endpoint.node.or_else(|| pod?.node.clone()),
            service: endpoint.service,
            ..BaselineEnd::bare(endpoint.backend_ip.unwrap_or(endpoint.ip))
        }
    }
}

impl Row {
    fn into_flow(self, pods: &PodNames) -> BaselineFlow {
        let Self { src, dst, count, first_seen, last_seen, open } = self;
        let port = port(&dst.endpoint);
        let service_port = dst.endpoint.service.is_some().then_some(dst.endpoint.port);
        let (src, dst) = (src.into_end(pods), dst.into_end(pods));
        let protocol = Protocol::Tcp;
        BaselineFlow { src, dst, port, service_port, protocol, count, first_seen, last_seen, open }
    }
}

fn find(endpoint: &Endpoint, pods: &PodNames) -> Option<Arc<Pod>> {
    let name = (endpoint.namespace.clone()?, endpoint.pod.clone()?);
    pods.get(&name).cloned()
}

/// Returns the address that the client used, where a node replaced it.
fn used(dst: &Endpoint) -> Option<IpAddr> {
    dst.backend_ip.map(|_| dst.ip)
}

fn port(dst: &Endpoint) -> u16 {
    dst.backend_port.unwrap_or(dst.port)
}

#[cfg(test)]
mod tests;
