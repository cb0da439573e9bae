//! Servers whose accept queue is full. The verifier of each kernel must let the programs look at their sockets.

use std::io::ErrorKind;

use lab::traffic::idle::{IdleServer, SHORTLY, fill};
use lab::traffic::{connect, connect_within};
use serde_json::Value;

use super::Scene;

const PORT: u16 = 8090;
const BACKLOG: i32 = 2;

#[test]
fn a_full_accept_queue_is_told() {
    let scene = Scene::new(&[]);
    let (client, server) = (&scene.client.ns, &scene.server);
    scene.agent.wait_metric("probe_attached", &[("probe", "accept_queues")], 1.0).unwrap();
    let idle = IdleServer::listen(&server.ns, PORT, BACKLOG).unwrap();
    let open = fill(client, server.at(PORT)).unwrap();
    assert!(open.len() > BACKLOG as usize, "{} are open", open.len());
    for to in [server.at(PORT), server.at6(PORT)] {
        assert_eq!(connect_within(client, to, SHORTLY).unwrap_err().kind(), ErrorKind::TimedOut);
        let of = |r: &Value| r["dst"]["ip"] == to.ip().to_string();
        let record = scene.agent.wait_flow("kind=attempt&outcome=unanswered", of).unwrap();
        assert_eq!(record["cause"], "accept_queue_full", "{record}");
        assert_eq!(record["accept_backlog"], BACKLOG, "{record}");
    }
    for _ in &open {
        idle.accept().unwrap();
    }
    connect(client, server.at(PORT)).unwrap();
}
