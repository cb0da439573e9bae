//! Connections as fast as two clients can make them, beside two busy threads: nothing is lost, and every connection is counted,
//! in the metrics and in the records.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use lab::agent::Agent;
use lab::pod::Pod;
use lab::world::World;
use serde_json::Value;

const CLIENTS: usize = 2;
/// Connections of each client. The agent remembers the records of all, also on a machine so slow that each has its own.
const EACH: u64 = 4_000;
const TOTAL: u64 = CLIENTS as u64 * EACH;
const PORT: u16 = 8080;

/// Sets a flag when it is dropped, also in a panic: the threads that look at it end.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Accepts this many connections.
fn serve(pod: &Pod, connections: u64) -> thread::JoinHandle<()> {
    let listener = pod.ns.run(|| TcpListener::bind(pod.at(PORT)).unwrap());
    thread::spawn(move || (0..connections).for_each(|_| drop(listener.accept().unwrap())))
}

/// Keeps a processor busy until the flag is set.
fn keep_busy(stop: &Stop) {
    let stop = Arc::clone(&stop.0);
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    });
}

/// Has each client connect to its server.
fn connect(clients: &[Pod], servers: &[Pod], connections: u64) {
    let serving: Vec<_> = servers.iter().map(|server| serve(server, connections)).collect();
    thread::scope(|scope| {
        for (client, server) in clients.iter().zip(servers) {
            let to = server.at(PORT);
            scope.spawn(move || {
                client.ns.run(|| (0..connections).for_each(|_| drop(TcpStream::connect(to).unwrap())));
            });
        }
    });
    serving.into_iter().for_each(|serving| serving.join().unwrap());
}

/// Returns the number of connections that the records of established attempts stand for.
fn recorded(records: &[Value]) -> u64 {
    records.iter().map(|record| record["count"].as_u64().unwrap_or(1)).sum()
}

fn established(agent: &Agent) -> Vec<Value> {
    agent.flows("kind=attempt&outcome=established").unwrap()
}

fn metric(agent: &Agent, name: &str, label: (&str, &str)) -> String {
    agent.metric(name, &[label]).unwrap().to_string()
}

fn pods(world: &World) -> (Vec<Pod>, Vec<Pod>) {
    let all = |kind: &str| (0..CLIENTS).map(|n| world.pod("shop", &format!("{kind}{n}")).unwrap()).collect();
    let pods: (Vec<Pod>, Vec<Pod>) = (all("client"), all("server"));
    // The table of tracked connections would be full otherwise.
    for state in ["time_wait", "close", "close_wait", "last_ack", "fin_wait"] {
        world.node.ns.sysctl(&format!("net.netfilter.nf_conntrack_tcp_timeout_{state}"), "1").unwrap();
    }
    pods
}

#[test]
fn a_storm_beside_busy_processes_loses_nothing() {
    let world = World::new().unwrap();
    let (clients, servers) = pods(&world);
    let agent = world.agent(&[]).unwrap();
    let stop = Stop(Arc::default());
    (0..2).for_each(|_| keep_busy(&stop));
    connect(&clients, &servers, EACH);
    drop(stop);
    agent.wait_metric("connection_attempts_total", &[("outcome", "established")], TOTAL as f64).unwrap();
    assert_eq!(metric(&agent, "events_lost_total", ("stage", "ring")), "0");
    assert_eq!(metric(&agent, "handshake_seconds_count", ("vantage", "source")), TOTAL.to_string());
    let records = established(&agent);
    assert_eq!(recorded(&records), TOTAL);
    for client in &clients {
        let own: Vec<_> =
            records.iter().filter(|record| record["src"]["ip"] == client.ip4.to_string()).cloned().collect();
        assert_eq!(recorded(&own), EACH, "{}", client.ip4);
    }
}

#[test]
fn a_recording_has_each_connection() {
    const SOME: u64 = 1_000;
    let world = World::new().unwrap();
    let (clients, servers) = pods(&world);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let agent = world.agent(&["--record", file.to_str().unwrap()]).unwrap();
    connect(&clients, &servers, SOME);
    let all = CLIENTS as u64 * SOME;
    agent.wait_metric("connection_attempts_total", &[("outcome", "established")], all as f64).unwrap();
    let records = agent.wait_for("each connection to have a record", |agent| {
        Some(established(agent)).filter(|records| recorded(records) == all)
    });
    assert_eq!(records.unwrap().len() as u64, all);
}
