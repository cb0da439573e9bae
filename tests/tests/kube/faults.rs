//! Faults of networks and servers in a watch, one after the other, with one agent that survives all of them.

use std::time::Duration;

use lab::agent::Agent;
use lab::kube::proxy::{Fault, On, Proxy};

use crate::scene::{Scene, knows, lines, stale, synced};
use crate::stage::namespace;

struct Trouble {
    scene: Scene,
    agent: Agent,
    proxy: Proxy,
    /// The number of namespaces so far.
    count: usize,
}

impl Trouble {
    fn new() -> Self {
        let scene = Scene::new("node1");
        scene.sync();
        let (agent, proxy) = scene.agent_behind_proxy(&[]);
        let all = scene.api.as_admin().get("/api/v1/namespaces").unwrap();
        let count = all["items"].as_array().unwrap().len();
        knows(&agent, "Namespace", count);
        Self { scene, agent, proxy, count }
    }

    /// Returns the same with another agent.
    fn with_agent(self, args: &[&str]) -> Self {
        let Self { scene, agent, count, .. } = self;
        agent.kill().unwrap();
        let (agent, proxy) = scene.agent_behind_proxy(args);
        knows(&agent, "Namespace", count);
        Self { scene, agent, proxy, count }
    }

    /// Adds a namespace.
    fn change(&mut self) {
        self.scene.api.apply(&[namespace(&format!("more{}", self.count), &[])]).unwrap();
        self.count += 1;
    }

    /// Waits until the agent has all of them, and is synced.
    fn catches_up(&self) {
        synced(&self.agent, "Namespace", 1.0);
        knows(&self.agent, "Namespace", self.count);
        assert_eq!(stale(&self.agent, "Namespace"), None);
    }
}

/// All cases share one server, since a start takes seconds.
#[test]
fn one_agent_outlives_them_all() {
    let mut trouble = Trouble::new();
    refusals(&mut trouble);
    a_busy_server_is_obeyed(&mut trouble);
    streams_that_break(&mut trouble);
    let mut trouble = trouble.with_agent(&["--kube-silence", "6s"]);
    half_open_connections(&mut trouble);
}

fn refusals(trouble: &mut Trouble) {
    for (code, reason) in [(401, "unauthorized"), (403, "forbidden"), (500, "500")] {
        let refused = trouble.proxy.inject(On::path("/namespaces"), Fault::Status(code, None));
        let cut = trouble.proxy.inject(On::path("/namespaces").watches(), Fault::Gone);
        cut.wait_hits(1).unwrap();
        synced(&trouble.agent, "Namespace", 0.0);
        let why = stale(&trouble.agent, "Namespace").unwrap();
        assert!(why.contains(reason), "{why}");
        trouble.change();
        refused.wait_hits(2).unwrap();
        drop((refused, cut));
        trouble.catches_up();
    }
    // Other kinds were not affected.
    assert_eq!(stale(&trouble.agent, "Pod"), None);
    assert_eq!(lines(&trouble.agent, &["can't be followed", "Namespace"]), 3, "{}", trouble.agent.log());
}

/// The agent does not retry before the time that the server sets.
fn a_busy_server_is_obeyed(trouble: &mut Trouble) {
    let busy = trouble.proxy.inject(On::path("/namespaces"), Fault::Status(429, Some(3)));
    let cut = trouble.proxy.inject(On::path("/namespaces").watches().times(1), Fault::Cut);
    cut.wait_hits(1).unwrap();
    busy.wait_hits(1).unwrap();
    let began = std::time::Instant::now();
    trouble.change();
    busy.wait_hits(2).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(2_500), "asked again after {:?}", began.elapsed());
    drop(busy);
    trouble.catches_up();
}

fn streams_that_break(trouble: &mut Trouble) {
    for fault in [Fault::Gone, Fault::Cut] {
        for _ in 0..3 {
            let broken = trouble.proxy.inject(On::path("/namespaces").watches().times(1), fault.clone());
            broken.wait_hits(1).unwrap();
            trouble.change();
            trouble.catches_up();
        }
    }
    // A list that ends too early removes nothing.
    let cut = trouble.proxy.inject(On::path("/namespaces").lists().times(2), Fault::Cut);
    let gone = trouble.proxy.inject(On::path("/namespaces").watches().times(1), Fault::Gone);
    cut.wait_hits(1).unwrap();
    let known = trouble.agent.metric("cluster_objects", &[("kind", "Namespace")]).unwrap();
    assert_eq!(known, trouble.count as f64);
    trouble.change();
    trouble.catches_up();
    drop((cut, gone));
    let slow = trouble.proxy.inject(On::path("/namespaces"), Fault::Slow(Duration::from_millis(5)));
    let gone = trouble.proxy.inject(On::path("/namespaces").watches().times(1), Fault::Gone);
    gone.wait_hits(1).unwrap();
    slow.wait_hits(1).unwrap();
    trouble.change();
    trouble.catches_up();
}

/// The agent closes a stream that is open and dead.
fn half_open_connections(trouble: &mut Trouble) {
    let frozen = trouble.proxy.inject(On::path("/namespaces").watches().times(1), Fault::Freeze);
    frozen.wait_hits(1).unwrap();
    trouble.change();
    trouble.catches_up();
}
