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
        ..Pod::default()
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
fn a_record_of_several_attempts_counts_as_all_of_them() {
    let table = BaselineTable::new(100);
    let mut record = established(5, pod("web", "front-5d-1"), pod("data", "db-0"));
    observe(&table, &record);
    let Event::Attempt(attempt) = &mut record.event else { panic!("an attempt") };
    attempt.count = 400;
    observe(&table, &record);
    assert_eq!(table.snapshot().0[0].count, 401);
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
    assert_eq!((flow.dst.used, flows[1].dst.used), (Some([10, 43, 0, 1].into()), None));
    assert_eq!(flow.src.pod.as_deref(), Some("front-6e-2"), "the newest is the example");
    assert_eq!((flows[1].port, flows[1].service_port), (5432, None));
}

/// A load balancer's address may hide the client from the policies, a ClusterIP doesn't.
#[test]
fn one_row_for_each_address_of_a_service() {
    let table = BaselineTable::new(100);
    let inside = behind("data/db", pod("data", "db-0"));
    let outside = Endpoint { ip: [192, 0, 2, 200].into(), ..inside.clone() };
    for dst in [&inside, &outside, &inside] {
        observe(&table, &established(5, pod("web", "front-5d-1"), dst.clone()));
    }
    let mut used: Vec<_> = table.snapshot().0.into_iter().map(|flow| (flow.dst.used, flow.count)).collect();
    used.sort_unstable();
    assert_eq!(used, [(Some(inside.ip), 2), (Some(outside.ip), 1)]);
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
        let mut rows: Vec<_> = table.snapshot().0.into_iter().map(|f| (f.dst.pod, f.count, f.open)).collect();
        rows.sort();
        rows
    };
    assert_eq!(open(), [(Some("a".into()), 1, 3), (Some("b".into()), 0, 1)]);
    assert_eq!(table.snapshot().0[0].first_seen, at(3), "older than the attempt seen");
    table.set_open([], at(11));
    assert_eq!(open(), [(Some("a".into()), 1, 0), (Some("b".into()), 0, 0)]);
}
