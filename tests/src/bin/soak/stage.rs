//! The node, its API server, the pods of the load, and the agent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::agent::Agent;
use lab::kube::{ApiServer, Place, Store};
use lab::netns::Netns;
use lab::pod::Pod;
use lab::wait;
use lab::world::World;
use serde_json::Value;
use socket2::{Domain, SockRef, Socket, Type};

use crate::objects;
use crate::storm::Truth;

/// Clients of the bursts, and as many servers.
pub(crate) const LANES: usize = 10;
/// The servers listen here.
pub(crate) const OPEN: u16 = 8080;
/// Nobody listens here.
pub(crate) const CLOSED: u16 = 8079;
/// Lines at the end of the agent's log that an error shows.
const SHOWN: usize = 20;
/// Connections of which one must have a record, and the time for that.
const TRIES: usize = 4;
const RECORD_WITHIN: Duration = Duration::from_secs(4);
/// The first address of a pod of the load.
const FIRST_HOST: u8 = 10;

/// Field order is drop order.
pub(crate) struct Stage {
    pub(crate) agent: Agent,
    /// What the API server serves, also while it is away.
    pub(crate) store: Store,
    pub(crate) truth: Truth,
    _serving: Vec<Serving>,
    pub(crate) clients: Vec<Pod>,
    pub(crate) servers: Vec<Pod>,
    pub(crate) world: World,
}

impl Stage {
    /// Starts everything, and returns the API server beside it.
    pub(crate) fn build() -> Result<(Self, ApiServer)> {
        let world = World::new()?;
        // Otherwise the connection table would be full after seconds, and the kernel would drop connections.
        for state in ["time_wait", "close", "close_wait", "last_ack", "fin_wait"] {
            world.node.ns.sysctl(&format!("net.netfilter.nf_conntrack_tcp_timeout_{state}"), "1")?;
        }
        let place = Place::Inside(world.node.ns.clone());
        let api = ApiServer::start(&place, &world.guard.dir().join("kube"))?;
        api.fill(&objects::fixed(&world.node))?;
        let pods = |workload: &str, first: u8| -> Result<Vec<Pod>> {
            let start =
                |n: u8| world.node.add_pod_at(first + n, objects::NAMESPACE, &objects::pod_name(workload));
            (0..LANES as u8).map(start).collect()
        };
        let clients = pods(objects::CLIENT, FIRST_HOST)?;
        let servers = pods(objects::SERVER, FIRST_HOST + LANES as u8)?;
        let all: Vec<_> =
            clients.iter().chain(&servers).map(|pod| objects::pod(&world.node.name, pod)).collect();
        api.fill(&all)?;
        // A client that closes first keeps the port for a minute.
        for client in &clients {
            client.ns.sysctl("net.ipv4.ip_local_port_range", "1024 65535")?;
            client.ns.sysctl("net.ipv4.tcp_tw_reuse", "1")?;
        }
        let serving =
            servers.iter().map(|pod| Serving::start(&pod.ns, pod.at(OPEN))).collect::<Result<_>>()?;
        let kubeconfig = api.agent()?;
        // Records fill a small memory within a round, so that growth after warm-up is a leak.
        let kubeconfig = kubeconfig.to_string_lossy();
        let args = ["--kubeconfig", &*kubeconfig, "--kube-retry", "1s", "--tail-records", "1000"];
        let agent = Agent::start(&world.node.ns, &world.node.name, "kube", world.guard.dir(), &args)?;
        let (store, truth) = (api.store(), Truth::default());
        let stage = Self { agent, store, truth, _serving: serving, clients, servers, world };
        stage.wait_pods(2 * LANES)?;
        // From then on the agent has counters for each interface.
        for (client, server) in stage.clients.iter().zip(&stage.servers) {
            client.ns.run(|| stage.truth.connect(server.at(OPEN)))?;
        }
        Ok((stage, api))
    }

    /// Waits until the agent knows this number of pods and follows their interfaces.
    pub(crate) fn wait_pods(&self, count: usize) -> Result<()> {
        let known = |name: &str, labels: &[(&str, &str)]| {
            wait::until(&format!("{name} to be {count}"), 3 * wait::DEADLINE, || {
                self.agent.metric(name, labels).ok().filter(|have| *have == count as f64)
            })
            .with_context(|| format!("it is {:?}", self.agent.metric(name, labels)))
        };
        known("cluster_objects", &[("kind", "Pod")])?;
        known("interfaces_followed", &[("role", "pod")])?;
        Ok(())
    }

    /// Returns the end of the agent's log.
    pub(crate) fn last_words(&self) -> String {
        let log = self.agent.log();
        let lines: Vec<_> = log.lines().collect();
        format!("the agent's log ends:\n{}", lines[lines.len().saturating_sub(SHOWN)..].join("\n"))
    }

    /// Fails when a part of the agent no longer works: a new connection gets a record with the names of its pods. On a busy
    /// machine the record of one may be lost in the ring, which the agent counts.
    pub(crate) fn check_alive(&self) -> Result<()> {
        let tries = (0..TRIES).any(|_| self.has_record().is_ok());
        ensure!(tries, "none of {TRIES} connections has a record with the names of its pods");
        let ready = self.agent.get("/readyz")?;
        ensure!(ready.status == 200, "not ready: {}", ready.body);
        Ok(())
    }

    fn has_record(&self) -> Result<()> {
        let (client, server) = (&self.clients[0], &self.servers[0]);
        let stream = client.ns.run(|| self.truth.connect(server.at(OPEN)))?;
        let port = stream.context("a server refuses connections")?.local_addr()?.port();
        // Only the newest, so that these answers are no load of their own.
        let path = format!(
            "/api/v1/flows?since=10s&follow=false&kind=attempt&outcome=established&pod={}/{}",
            client.namespace, client.name
        );
        let named =
            |record: &Value| record["src"]["port"] == port && record["dst"]["pod"] == server.name.as_str();
        wait::until("a record", RECORD_WITHIN, || {
            let answer = self.agent.get(&path).ok()?;
            let mut records = answer.body.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            records.any(|record| named(&record)).then_some(())
        })
    }
}

/// A server that accepts connections and closes them.
struct Serving {
    listener: Arc<Socket>,
    ended: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A full queue would drop SYNs.
const BACKLOG: i32 = 4096;

impl Serving {
    fn start(ns: &Netns, at: SocketAddr) -> Result<Self> {
        ns.sysctl("net.core.somaxconn", &BACKLOG.to_string())?;
        let listener = Arc::new(ns.run(|| listen(at))?);
        let ended = Arc::new(AtomicBool::new(false));
        let (accepting, end) = (Arc::clone(&listener), Arc::clone(&ended));
        let accept = move || {
            while !end.load(Ordering::Relaxed) {
                drop(accepting.accept());
            }
        };
        Ok(Self { listener, ended, thread: Some(thread::spawn(accept)) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Ends the blocked accept(2).
        drop(SockRef::from(&*self.listener).shutdown(std::net::Shutdown::Both));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn listen(at: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}
