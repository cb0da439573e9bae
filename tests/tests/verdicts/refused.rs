//! Failures without a policy as their cause.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use lab::cluster::ServiceSpec;
use lab::findings::summary;
use lab::lan;
use lab::service;
use lab::traffic::{Server, connect, connect_within};
use lab::world::World;
use serde_json::Value;

#[test]
fn nobody_listens() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    world.cluster.apply(&lab::policy::admitting("data", "lockdown", &["web"])).unwrap();
    let agent = world.agent(&[]).unwrap();
    for to in [server.at(9), server.at6(9)] {
        connect(&client.ns, to).unwrap_err();
    }
    let found = agent.wait_finding("service_refused", "active", |f| f["count"] == 2).unwrap();
    assert!(summary(&found).starts_with("web/front can't reach data/cache:9"), "{found}");
    let record = agent.wait_flow("kind=attempt", |_| true).unwrap();
    assert_eq!(record["outcome"], "refused", "{record}");
    assert_eq!(record["verdict"]["decision"], "allow", "{record}");
    assert_eq!(agent.findings().unwrap().len(), 1, "{}", agent.shown_findings());
}

/// kube-proxy rejects connections to a Service without backends in the same way as a policy does.
#[test]
fn a_service_without_backends() {
    let world = World::new().unwrap();
    let client = world.pod("web", "front").unwrap();
    let vip = IpAddr::V4(Ipv4Addr::new(10, 43, 0, 80));
    let spec =
        ServiceSpec { namespace: "data", name: "cache", cluster_ips: &[vip], port: 80, target_port: 8080 };
    world.cluster.namespace("data").unwrap();
    world.cluster.service(&spec, &[]).unwrap();
    let front = SocketAddr::new(vip, 80);
    service::refuse(&world.node, front).unwrap();
    let agent = world.agent(&[]).unwrap();
    connect(&client.ns, front).unwrap_err();
    let found = agent.wait_finding("service_refused", "active", |_| true).unwrap();
    assert!(summary(&found).starts_with("web/front can't reach data/cache:80"), "{found}");
    assert!(summary(&found).contains("backend"), "{found}");
    assert_eq!(found["dst"]["service"], "data/cache", "{found}");
    let mismatches = agent.findings_of("enforcement_mismatch", "active").unwrap();
    assert_eq!(mismatches, Vec::<Value>::new());

    // Its backend has a name and a port of its own.
    let server = world.pod("data", "valkey").unwrap();
    let _serving = Server::start(&server.ns, spec.target_port).unwrap();
    world.service(&spec, &server).unwrap();
    connect(&client.ns, front).unwrap().echo().unwrap();
    let ended = agent.wait_finding("service_refused", "resolved", |_| true).unwrap();
    let because = ended["ended_because"].as_str().unwrap_or_default();
    assert!(because.starts_with("attempts have succeeded since"), "{ended}");
}

#[test]
fn a_black_hole_is_unanswered() {
    let world = World::new().unwrap();
    let client = world.pod("web", "front").unwrap();
    let nobody = lan::ip4(77);
    world.node.ns.ip(format!("neigh add {nobody} lladdr 02:00:00:00:00:77 dev eth0 nud permanent")).unwrap();
    // In a pod's first seconds a missing answer may come from an enforcer that lags.
    let agent = world.agent(&["--enforcement-grace", "1s"]).unwrap();
    let knock =
        || drop(connect_within(&client.ns, (nobody, 443).into(), Duration::from_millis(500)).unwrap_err());
    let found = agent.provoke("unanswered", "active", knock, |_| true).unwrap();
    assert!(summary(&found).starts_with("web/front can't reach 10.0.20.77:443"), "{found}");
    assert_eq!(agent.findings().unwrap().len(), 1, "{}", agent.shown_findings());
}
