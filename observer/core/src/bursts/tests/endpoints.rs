//! The changes in the backends of Services.

use std::sync::Arc;

use flow_model::inventory::{Backend, Inventory, Pod, Service, Workload};
use flow_model::object_ref::ObjectRef;
use flow_policy::history::History;

use crate::bursts::tests::t;
use crate::bursts::{Causes, Endpoints, Server, Surroundings};

fn pod(name: &str) -> Arc<Pod> {
    Arc::new(Pod {
        namespace: "data".into(),
        name: name.into(),
        uid: name.into(),
        labels: [].into(),
        node: None,
        ips: vec![ip(name)],
        host_network: false,
        finished: false,
        deleting: false,
        start: None,
        workload: Workload { kind: "StatefulSet".into(), name: "cache".into() },
        ports: Vec::new(),
        ..Pod::default()
    })
}

fn ip(pod: &str) -> std::net::IpAddr {
    format!("10.42.0.{}", pod.rsplit_once('-').unwrap().1).parse().unwrap()
}

/// Backends as `cache-1` or, not ready, `!cache-1`; each on two ports.
fn cluster(backends: &[&str]) -> Inventory {
    let backend = |name: &&str| {
        let pod = name.trim_start_matches('!');
        [6379, 9121].map(|port| Backend {
            ip: ip(pod),
            port,
            protocol: "TCP".into(),
            port_name: None,
            ready: !name.starts_with('!'),
            pod: Some(pod.into()),
            node: None,
        })
    };
    let service = Service {
        namespace: "data".into(),
        name: "cache".into(),
        labels: [].into(),
        selector: [].into(),
        cluster_ips: Vec::new(),
        external_ips: Vec::new(),
        vips: Vec::new(),
        ports: Vec::new(),
        external_local: false,
        backends: backends.iter().flat_map(backend).collect(),
        ..Service::default()
    };
    let pods = backends.iter().map(|name| pod(name.trim_start_matches('!'))).collect();
    Inventory { pods, services: vec![Arc::new(service)], ..Inventory::default() }
}

fn workload(name: &str) -> Server {
    Server::Workload(ObjectRef::new("data", name))
}

/// Returns the changes of the workload after these snapshots, ten seconds apart.
fn story(pictures: &[&[&str]]) -> Vec<String> {
    let mut endpoints = Endpoints::default();
    let mut before = Inventory::default();
    for (n, picture) in pictures.iter().enumerate() {
        let after = cluster(picture);
        endpoints.apply(&before, &after, t(10.0 * n as f64));
        before = after;
    }
    endpoints.changes(&workload("cache"), &[], t(0.0)).into_iter().map(|change| change.what).collect()
}

#[test]
fn backends_come_and_go() {
    assert_eq!(story(&[&["cache-1", "cache-2"], &["cache-2", "cache-1"]]), [""; 0]);
    assert_eq!(
        story(&[
            &["cache-1", "cache-2"],
            &["!cache-1", "cache-2"],
            &["cache-2", "!cache-3"],
            &["cache-2", "cache-3"]
        ]),
        [
            "backend data/cache-1 (10.42.0.1) of data/cache became unready",
            "backend data/cache-1 (10.42.0.1) of data/cache went",
            "backend data/cache-3 (10.42.0.3) of data/cache became ready",
        ]
    );
    assert_eq!(
        story(&[&["cache-1"], &["cache-1", "cache-2"]]),
        ["backend data/cache-2 (10.42.0.2) of data/cache came"]
    );
}

#[test]
fn a_service_that_goes_takes_its_backends_along() {
    let mut endpoints = Endpoints::default();
    let before = cluster(&["cache-1"]);
    let after = Inventory { services: Vec::new(), ..before.clone() };
    endpoints.apply(&before, &after, t(1.0));
    let emitted = |server, services: &[&str], since| {
        let services: Vec<_> = services.iter().map(|name| (*name).into()).collect();
        endpoints.changes(&server, &services, t(since)).len()
    };
    assert_eq!(emitted(workload("cache"), &[], 1.0), 1);
    assert_eq!(emitted(workload("other"), &[], 0.0), 0);
    assert_eq!(emitted(workload("other"), &["data/cache"], 0.0), 1);
    assert_eq!(emitted(Server::Service("data/cache".into()), &[], 0.0), 1);
    assert_eq!(emitted(Server::Vip([10, 0, 0, 1].into()), &[], 0.0), 0);
    assert_eq!(emitted(workload("cache"), &[], 1.1), 0);
}

#[test]
fn changes_are_few_and_young() {
    let many: Vec<_> = (0..200).map(|n| format!("cache-{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let (all, none) = (cluster(&many), cluster(&[]));
    let mut endpoints = Endpoints::default();
    for n in 0..20 {
        let (before, after) = if n % 2 == 0 { (&all, &none) } else { (&none, &all) };
        endpoints.apply(before, after, t(f64::from(n)));
    }
    let count = |endpoints: &Endpoints| endpoints.changes(&workload("cache"), &[], t(-9e9)).len();
    assert_eq!(count(&endpoints), 1_000);
    endpoints.apply(&all, &all, t(319.0));
    assert_eq!(count(&endpoints), 200);
    // The clock is set back.
    endpoints.apply(&all, &all, t(-10_000.0));
    assert_eq!(count(&endpoints), 0);
}

#[test]
fn the_engine_s_surroundings() {
    let (before, after) = (cluster(&["cache-1"]), cluster(&["cache-1", "!cache-2"]));
    let mut endpoints = Endpoints::default();
    endpoints.apply(&before, &cluster(&[]), t(1.0));
    let history = History::default();
    let moves = |_, since| [crate::bursts::tests::moved(5.0)].into_iter().filter(|m| m.at >= since).collect();
    let around = Surroundings { inventory: &after, history: &history, endpoints: &endpoints, moves: &moves };
    assert_eq!(around.vip_moves(None, t(5.0)).len(), 1);
    assert_eq!(around.vip_moves(None, t(6.0)).len(), 0);
    assert_eq!(around.endpoint_changes(&workload("cache"), &[], t(0.0)).len(), 1);
    assert!(around.has_backend(&"data/cache".into(), &"data/cache".into()));
    assert!(!around.has_backend(&"data/cache".into(), &"web/cache".into()));
    assert!(!around.has_backend(&"data/cache".into(), &"data/other".into()));
    assert!(!around.has_backend(&"data/none".into(), &"data/cache".into()));
}
