use super::*;
use crate::sink::testing::{external, host, pod, service};

#[test]
fn endpoints_become_bounded_names() {
    let name = |e: &Endpoint| {
        let ObjectRef { namespace, name: workload } = workload(e);
        format!("{namespace}|{workload}")
    };
    assert_eq!(name(&pod("web", "front-5d9c-x1")), "web|front");
    assert_eq!(name(&service("data", "redis")), "data|redis");
    assert_eq!(name(&host("node1")), "|_host");
    assert_eq!(name(&external()), "|_external");

    let known_backend = Endpoint { service: Some("data/cache".into()), ..pod("data", "redis-0") };
    assert_eq!(name(&known_backend), "data|redis");
    let bare = Endpoint { workload: None, ..pod("web", "probe") };
    assert_eq!(name(&bare), "web|probe");
}

#[test]
fn both_sides_nodes_write_the_same_port() {
    let (client, server) = (pod("web", "front-5d9c-x1"), pod("data", "redis-0"));
    let seen_by_client = Endpoint { port: 80, backend_port: Some(6379), ..server.clone() };
    let seen_by_server = Endpoint { port: 6379, ..server };
    let port = |dst: &Endpoint| PairKey::new(&client, dst, Vantage::Source).dst_port;
    assert_eq!([port(&seen_by_client), port(&seen_by_server)], [6379, 6379]);
}
