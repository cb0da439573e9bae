//! New connections to a server that does not accept them.

use std::io::ErrorKind;
use std::net::SocketAddr;

use lab::cluster::ServiceSpec;
use lab::findings::says;
use lab::traffic::idle::{IdleServer, SHORTLY, fill};
use lab::traffic::{Server, connect, connect_within};
use lab::world::World;
use serde_json::Value;

const FULL: u16 = 8080;
const SERVED: u16 = 8081;
const BACKLOG: i32 = 2;

#[test]
fn a_full_accept_queue_is_named() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let cluster_ip = [10, 43, 0, 5].into();
    let service = ServiceSpec {
        namespace: "data",
        name: "cache",
        cluster_ips: &[cluster_ip],
        port: 80,
        target_port: FULL,
    };
    world.service(&service, &server).unwrap();
    let idle = IdleServer::listen(&server.ns, FULL, BACKLOG).unwrap();
    let _serving = Server::start(&server.ns, SERVED).unwrap();
    let agent = world.agent(&["--enforcement-grace", "1s"]).unwrap();
    agent.wait_metric("probe_attached", &[("probe", "accept_queues")], 1.0).unwrap();
    let open = fill(&client.ns, server.at(FULL)).unwrap();
    assert!(open.len() > BACKLOG as usize, "{} are open", open.len());

    for to in [server.at(FULL), server.at6(FULL), SocketAddr::new(cluster_ip, 80)] {
        let error = connect_within(&client.ns, to, SHORTLY).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let is_to = |r: &Value| r["dst"]["ip"] == to.ip().to_string();
        let record = agent.wait_flow("kind=attempt&outcome=unanswered", is_to).unwrap();
        assert_eq!(record["cause"], "accept_queue_full", "{record}");
        assert_eq!(record["accept_backlog"], BACKLOG, "{record}");
    }
    // The queue of another socket has room. What is lost there has another cause.
    connect(&client.ns, server.at(SERVED)).unwrap().echo().unwrap();
    let drop_rule = format!("iptables -w -I INPUT -p tcp --dport {SERVED} -j DROP");
    server.ns.exec(&drop_rule).unwrap();
    connect_within(&client.ns, server.at(SERVED), SHORTLY).unwrap_err();
    let elsewhere = |r: &Value| r["dst"]["port"] == SERVED;
    let record = agent.wait_flow("kind=attempt&outcome=unanswered", elsewhere).unwrap();
    assert_eq!(record.get("cause"), None, "{record}");
    assert_eq!(record.get("accept_backlog"), None, "{record}");
    // A firewall in the pod drops the SYN before the queue.
    server.ns.exec(drop_rule.replace(&SERVED.to_string(), &FULL.to_string())).unwrap();
    let from = connect_within(&client.ns, server.at(FULL), SHORTLY).unwrap_err();
    assert_eq!(from.kind(), ErrorKind::TimedOut);
    let dropped = |r: &Value| r["dst"]["port"] == FULL && r.get("drop_reason").is_some();
    let record = agent.wait_flow("kind=attempt&outcome=unanswered", dropped).unwrap();
    assert_eq!(record.get("cause"), None, "{record}");
    server.ns.exec("iptables -w -F INPUT").unwrap();

    let talk = || drop(connect_within(&client.ns, server.at(FULL), SHORTLY));
    let found =
        agent.provoke("unanswered", "active", talk, |f| says(&f["summary"], &["accept queue"])).unwrap();
    let parts = [
        "web/front can't reach data/cache",
        "the server's accept queue was full: 2 connections may wait, and more did",
    ];
    assert!(says(&found["summary"], &parts), "{found}");

    // The server catches up.
    for _ in &open {
        idle.accept().unwrap();
    }
    connect(&client.ns, server.at(FULL)).unwrap();
}
