//! Tests with findings in and Events out: what is reported, about which object, how often, and what an API server gets
//! to see.

mod combined;
mod queue;
mod server;
mod subject;
mod written;

use std::sync::Arc;

use flow_model::finding::Finding;
use flow_model::inventory::{Inventory, Node, Pod, Service, Workload};
use flow_model::policies::{NetworkPolicy, Origin, Policies, Selector};
use flow_model::record::Endpoint;

use crate::sink::testing::{self, at};

/// Pods `web/front-5d-1` and `data/db-0` on this and another node, the Service `data/db`, the policy `data/deny`. Of
/// the nodes only `node1` is known.
fn cluster() -> Inventory {
    let policy = NetworkPolicy {
        namespace: "data".into(),
        name: "deny".into(),
        selector: Selector::default(),
        ingress: Some(vec![]),
        egress: None,
        origin: Origin { uid: "uid-of-deny".into(), ..Origin::default() },
    };
    Inventory {
        pods: vec![
            pod("web", "front-5d-1", "node1"),
            pod("web", "front-5d-2", "node1"),
            pod("data", "db-0", "node2"),
        ],
        services: vec![Arc::new(service())],
        nodes: vec![Arc::new(Node { name: "node1".into(), ..Node::default() })],
        policies: Policies { namespaced: vec![Arc::new(policy)], ..Policies::default() },
        ..Inventory::default()
    }
}

fn pod(namespace: &str, name: &str, node: &str) -> Arc<Pod> {
    Arc::new(Pod {
        namespace: namespace.into(),
        name: name.into(),
        uid: format!("uid-of-{name}").into(),
        labels: Default::default(),
        node: Some(node.into()),
        ips: vec![],
        host_network: false,
        finished: false,
        deleting: false,
        start: None,
        workload: Workload { kind: "Pod".into(), name: name.into() },
        ports: vec![],
        ..Pod::default()
    })
}

fn service() -> Service {
    Service {
        namespace: "data".into(),
        name: "db".into(),
        labels: Default::default(),
        selector: Default::default(),
        cluster_ips: vec![],
        external_ips: vec![],
        vips: vec!["10.0.20.200".parse().unwrap()],
        ports: vec![],
        external_local: false,
        backends: vec![],
        ..Service::default()
    }
}

/// Returns the finding that `web/front-5d-1` can't reach the Service `data/db`, seen `count` times until this second.
fn finding(id: &str, count: u64, second: i64) -> Finding {
    Finding { count, first_seen: at(0), last_seen: at(second), ..testing::finding(id, second) }
}

/// The pod `data/db-0` behind the Service.
fn backend() -> Endpoint {
    Endpoint { service: Some("data/db".into()), ..testing::pod("data", "db-0") }
}
