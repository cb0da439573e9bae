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

    /// Replaces the snapshot of the cluster, which has the labels of pods.
    pub(super) fn set_inventory(&self, inventory: &Inventory) {
        let name = |pod: &Arc<Pod>| ((pod.namespace.clone(), pod.name.clone()), Arc::clone(pod));
        let pods = Arc::new(inventory.pods.iter().map(name).collect());
        let old = std::mem::replace(&mut self.inner.lock().pods, pods);
        // Not under the lock: many pods take a while to go.
        drop(old);
    }

    /// Counts an attempt that was established.
    pub(super) fn observe(&self, attempt: &Attempt, time: Timestamp) {
        self.inner.lock().observe(&attempt.src, &attempt.dst, time);
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
    fn observe(&mut self, src: &Endpoint, dst: &Endpoint, time: Timestamp) {
        let row = self.row(src, dst, time);
        row.count += 1;
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

fn port(dst: &Endpoint) -> u16 {
    dst.backend_port.unwrap_or(dst.port)
}

#[cfg(test)]
mod tests {
    use flow_model::flow::Outcome;
    use flow_model::inventory::Workload;
    use flow_model::record::{Event, FlowRecord};

    use super::*;
    use crate::sink::testing::{at, attempt, external, host, pod};

    fn observe(table: &BaselineTable, record: &FlowRecord) {
        let Event::Attempt(attempt) = &record.event else { panic!("an attempt") };
        table.observe(attempt, record.time);
    }

    fn established(second: i64, src: Endpoint, dst: Endpoint) -> FlowRecord {
        attempt(second, src, dst, Outcome::Established)
    }

    fn with_pod(namespace: &str, name: &str, label: &str) -> Inventory {
        let pod = Pod {
            namespace: namespace.into(),
            name: name.into(),
            uid: "".into(),
            labels: [("app".into(), label.into())].into(),
            node: Some("archbox".into()),
            ips: vec![[10, 42, 0, 10].into()],
            host_network: false,
            finished: false,
            deleting: false,
            start: None,
            workload: Workload { kind: "Deployment".into(), name: "front".into() },
            ports: Vec::new(),
        };
        Inventory { pods: vec![pod.into()], ..Inventory::default() }
    }

    fn behind(service: &str, backend: Endpoint) -> Endpoint {
        Endpoint {
            service: Some(service.into()),
            ip: [10, 43, 0, 1].into(),
            port: 80,
            backend_ip: Some(backend.ip),
            backend_port: Some(8080),
            ..backend
        }
    }

    #[test]
    fn one_row_for_the_pods_of_a_workload() {
        let table = BaselineTable::new(100);
        let db = || behind("data/db", pod("data", "db-0"));
        observe(&table, &established(5, pod("web", "front-5d-1"), db()));
        observe(&table, &established(9, pod("web", "front-6e-2"), db()));
        observe(&table, &established(7, pod("web", "front-6e-2"), pod("data", "db-0")));
        let (flows, lost) = table.snapshot();
        assert_eq!((flows.len(), lost), (2, 0), "to the Service and to the pod are two flows");
        let flow = &flows[0];
        assert_eq!((flow.count, flow.first_seen, flow.last_seen), (2, at(5), at(9)));
        assert_eq!((flow.port, flow.service_port), (8080, Some(80)));
        assert_eq!((flow.dst.ip, flow.dst.service.clone()), ([10, 42, 0, 10].into(), Some("data/db".into())));
        assert_eq!(flow.src.pod.as_deref(), Some("front-6e-2"), "the newest is the example");
        assert_eq!((flows[1].port, flows[1].service_port), (5432, None));
    }

    #[test]
    fn labels_are_the_newest_and_outlive_the_pod() {
        let table = BaselineTable::new(100);
        let label = || table.snapshot().0[0].src.labels.as_ref().and_then(|l| l.get("app").cloned());
        let one = established(1, pod("web", "front-5d-1"), pod("data", "db-0"));
        observe(&table, &one);
        assert_eq!(label(), None, "not known yet");
        table.set_inventory(&with_pod("web", "front-5d-1", "old"));
        assert_eq!(label().as_deref(), Some("old"), "known since");
        observe(&table, &one);
        table.set_inventory(&with_pod("web", "front-5d-1", "new"));
        assert_eq!(label().as_deref(), Some("new"));
        table.set_inventory(&Inventory::default());
        assert_eq!(label().as_deref(), Some("old"), "as it was when it was seen");
        observe(&table, &one);
        assert_eq!(label().as_deref(), Some("old"), "a late record takes nothing away");
        observe(&table, &established(2, pod("web", "front-5d-2"), pod("data", "db-0")));
        assert_eq!(label(), None, "another pod has other labels");
    }

    #[test]
    fn the_flow_least_recently_seen_gives_way() {
        let table = BaselineTable::new(4);
        let to = |name: &str| established(1, pod("web", "front-5d-1"), pod("data", name));
        for name in ["a", "b", "c", "a", "d"] {
            observe(&table, &to(name));
        }
        let (flows, lost) = table.snapshot();
        let mut names: Vec<_> = flows.iter().filter_map(|flow| flow.dst.pod.as_deref()).collect();
        names.sort_unstable();
        assert_eq!((names, lost), (vec!["a", "c", "d"], 1));
    }

    #[test]
    fn strangers_do_not_push_out_workloads() {
        let table = BaselineTable::new(8);
        observe(&table, &established(0, pod("web", "front-5d-1"), pod("data", "db-0")));
        observe(&table, &established(0, host("archbox"), pod("data", "db-0")));
        for n in 1..=50 {
            let stranger = Endpoint { ip: [1, 1, 1, n].into(), ..external() };
            observe(&table, &established(n.into(), stranger, pod("web", "front-5d-1")));
        }
        let (flows, lost) = table.snapshot();
        assert_eq!((flows.len(), lost), (4, 48));
        assert!(flows.iter().any(|flow| flow.src.workload.as_deref() == Some("front")));
        assert!(flows.iter().any(|flow| flow.src.node.as_deref() == Some("archbox")));
    }

    #[test]
    fn open_connections_are_replaced_and_make_rows() {
        let table = BaselineTable::new(100);
        let flow = |name: &str, open| OpenFlow {
            src: pod("web", "front-5d-1"),
            dst: pod("data", name),
            since: at(3),
            open,
        };
        observe(&table, &established(5, pod("web", "front-5d-1"), pod("data", "a")));
        table.set_open([flow("a", 2), flow("b", 1), flow("a", 1)], at(10));
        let open = || {
            let mut rows: Vec<_> =
                table.snapshot().0.into_iter().map(|f| (f.dst.pod, f.count, f.open)).collect();
            rows.sort();
            rows
        };
        assert_eq!(open(), [(Some("a".into()), 1, 3), (Some("b".into()), 0, 1)]);
        assert_eq!(table.snapshot().0[0].first_seen, at(3), "older than the attempt seen");
        table.set_open([], at(11));
        assert_eq!(open(), [(Some("a".into()), 1, 0), (Some("b".into()), 0, 0)]);
    }
}
