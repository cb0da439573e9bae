//! A lab with its objects on an API server, and the agent that follows it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use lab::agent::Agent;
use lab::kube::proxy::Proxy;
use lab::kube::{ApiServer, Mirror, NAMESPACE, Place, Token, User};
use lab::pod::Pod;
use lab::traffic::{Conversation, Server, connect};
use lab::world::World;
use serde_json::Value;

/// Field order is drop order.
pub(crate) struct Scene {
    mirror: RefCell<Mirror>,
    pub(crate) api: ApiServer,
    pub(crate) world: World,
}

/// Short retry times, so that tests don't wait as long as users may.
const HASTE: [&str; 2] = ["--kube-retry", "1s"];

impl Scene {
    pub(crate) fn new(node: &str) -> Self {
        let world = World::named(node).unwrap();
        let place = Place::Inside(world.node.ns.clone());
        let api = ApiServer::start(&place, &world.guard.dir().join("kube")).unwrap();
        Self { mirror: RefCell::new(Mirror::new(world.cluster.dir())), api, world }
    }

    /// Starts the agent behind a proxy, with its own account, and returns both.
    pub(crate) fn agent_behind_proxy(&self, args: &[&str]) -> (Agent, Proxy) {
        let (proxy, kubeconfig) = self.proxy();
        (self.agent_with(&kubeconfig, args), proxy)
    }

    /// Starts a proxy, and returns it with the kubeconfig of the agent's account behind it.
    pub(crate) fn proxy(&self) -> (Proxy, PathBuf) {
        self.api.agent().unwrap();
        let proxy = Proxy::before(&self.api).unwrap();
        let token = self.api.token(NAMESPACE, "flow-observer", Token::default()).unwrap();
        let kubeconfig = proxy.kubeconfig(User::Token(token)).unwrap();
        (proxy, kubeconfig)
    }

    /// Applies the changes of the lab's directory to the server.
    pub(crate) fn sync(&self) {
        self.mirror.borrow_mut().sync(&self.api).unwrap();
    }

    /// Starts pod `data/store`, which serves 8080, and its client `web/front`.
    pub(crate) fn store_and_front(&self) -> (Pod, Pod, Server) {
        let store = self.world.pod("data", "store").unwrap();
        let front = self.world.pod("web", "front").unwrap();
        let serving = Server::start(&store.ns, 8080).unwrap();
        self.sync();
        (store, front, serving)
    }

    /// Starts the agent with the rights in `deploy/`.
    pub(crate) fn agent(&self, args: &[&str]) -> Agent {
        self.agent_with(&self.api.agent().unwrap(), args)
    }

    pub(crate) fn agent_with(&self, kubeconfig: &Path, args: &[&str]) -> Agent {
        let given = ["--kubeconfig", kubeconfig.to_str().unwrap()];
        let node = &self.world.node;
        Agent::start(&node.ns, &node.name, "kube", self.world.guard.dir(), &[&given, &HASTE, args].concat())
            .unwrap()
    }

    /// Deletes a pod on the server and in the lab.
    pub(crate) fn delete_pod(&self, pod: Pod) {
        self.world.delete_pod(pod).unwrap();
        self.sync();
    }
}

/// Waits until the agent has this number of objects of a kind.
pub(crate) fn knows(agent: &Agent, kind: &str, count: usize) {
    agent.wait_metric("cluster_objects", &[("kind", kind)], count as f64).unwrap();
}

/// Waits until a kind is synced, or is not.
pub(crate) fn synced(agent: &Agent, kind: &str, value: f64) {
    agent.wait_metric("cluster_synced", &[("kind", kind)], value).unwrap();
}

/// Is true when `cluster_synced` has a series of this kind.
pub(crate) fn has_series(agent: &Agent, kind: &str) -> bool {
    let metrics = agent.metrics().unwrap();
    metrics.iter().any(|sample| sample.matches("flow_observer_cluster_synced", &[("kind", kind)]))
}

/// Opens a connection, and returns it with its record.
pub(crate) fn record(agent: &Agent, client: &Pod, to: std::net::SocketAddr) -> (Conversation, Value) {
    let open = connect(&client.ns, to).unwrap();
    let port = open.local_port().unwrap();
    let record = agent.wait_flow("kind=attempt", |r| r["src"]["port"] == port).unwrap();
    (open, record)
}

/// Returns the reason in `/readyz` for a stale kind.
pub(crate) fn stale(agent: &Agent, kind: &str) -> Option<String> {
    let answer = agent.get("/readyz").unwrap();
    assert_eq!(answer.status, 200, "a stale cluster is no reason for a restart: {}", answer.body);
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    body["stale"][kind].as_str().map(str::to_owned)
}

/// Returns the number of lines in the log that have all of `parts`.
pub(crate) fn lines(agent: &Agent, parts: &[&str]) -> usize {
    agent.log().lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
}
