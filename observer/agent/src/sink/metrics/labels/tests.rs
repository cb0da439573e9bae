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
