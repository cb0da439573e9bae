//! An agent that ends leaves no gap where its maps and attachments are pinned: the kernel goes on counting, and the next
//! agent takes over.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

mod killed;

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use lab::agent::{self, Agent};
use lab::bpffs::Bpffs;
use lab::pod::Pod;
use lab::traffic::{Server, connect};
use lab::world::World;
use tempfile::TempDir;

/// A user without rights.
const NOBODY: u32 = 65_534;

struct Scene {
    client: Pod,
    server: Pod,
    _serving: Server,
    bpffs: Bpffs,
    state: TempDir,
    world: World,
}

impl Scene {
    fn new() -> Self {
        let world = World::new().unwrap();
        let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
        let _serving = Server::start(&server.ns, 8080).unwrap();
        Self {
            client,
            server,
            _serving,
            bpffs: Bpffs::mount().unwrap(),
            state: TempDir::new().unwrap(),
            world,
        }
    }

    /// Starts an agent that pins.
    fn agent(&self, args: &[&str]) -> Agent {
        let pins = self.bpffs.pins();
        let all = [&["--pin-dir", pins.to_str().unwrap()], args].concat();
        self.world.agent(&all).unwrap()
    }

    /// Starts an agent that pins, and keeps what it knows.
    fn keeping_agent(&self, args: &[&str]) -> Agent {
        self.agent(&[&["--state-dir", self.state.path().to_str().unwrap()], args].concat())
    }

    fn connect(&self, times: usize) {
        for _ in 0..times {
            connect(&self.client.ns, self.server.at(8080)).unwrap().echo().unwrap();
        }
    }

    /// Runs `flow-observer cleanup` on the node, and returns its output and whether it succeeded.
    fn cleanup(&self) -> (String, bool) {
        self.cleanup_as(0)
    }

    fn cleanup_as(&self, user: u32) -> (String, bool) {
        let mut command = Command::new(agent::binary().unwrap());
        command.arg("cleanup").arg("--pin-dir").arg(self.bpffs.pins());
        command.arg("--state-dir").arg(self.state.path());
        command.uid(user);
        let output = self.world.node.ns.run(|| command.output()).unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.success())
    }

    fn pins(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.bpffs.pins())
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect()
    }
}

fn established(agent: &Agent, count: f64) {
    agent.wait_metric("connection_attempts_total", &[("outcome", "established")], count).unwrap();
}

fn the_kernel_counts_on(args: &[&str]) {
    let scene = Scene::new();
    let agent = scene.agent(args);
    scene.connect(3);
    established(&agent, 3.0);
    agent.kill().unwrap();
    scene.connect(20);
    let agent = scene.agent(args);
    established(&agent, 20.0);
    scene.connect(2);
    established(&agent, 22.0);
    agent.stop().unwrap();
    scene.connect(5);
    let agent = scene.agent(args);
    established(&agent, 5.0);
}

#[test]
fn the_kernel_counts_while_no_agent_runs() {
    the_kernel_counts_on(&[]);
}

#[test]
fn the_kernel_counts_by_clsact_too() {
    the_kernel_counts_on(&["--attach", "clsact"]);
}

/// Two programs at one place would count everything twice.
#[test]
fn another_way_to_attach_replaces_what_was_attached() {
    let scene = Scene::new();
    for (round, mode) in ["tcx", "clsact", "tcx"].into_iter().enumerate() {
        let agent = scene.keeping_agent(&["--attach", mode]);
        scene.connect(4);
        established(&agent, 4.0 * (round + 1) as f64);
        agent.stop().unwrap();
    }
}

/// Counters and findings go on also where nothing can be pinned.
#[test]
fn state_alone_keeps_what_was_counted() {
    let scene = Scene::new();
    let args = ["--state-dir", scene.state.path().to_str().unwrap()];
    let agent = scene.world.agent(&args).unwrap();
    scene.connect(3);
    established(&agent, 3.0);
    let handshakes = |agent: &Agent| agent.metric("handshake_seconds_count", &[]).unwrap();
    agent.wait_for("the handshakes", |agent| (handshakes(agent) == 3.0).then_some(())).unwrap();
    agent.stop().unwrap();
    let agent = scene.world.agent(&args).unwrap();
    assert_eq!(agent.metric("connection_attempts_total", &[]).unwrap().to_string(), "3");
    assert_eq!(handshakes(&agent).to_string(), "3");
    scene.connect(1);
    established(&agent, 4.0);
    agent.wait_for("the handshakes", |agent| (handshakes(agent) == 4.0).then_some(())).unwrap();
}

#[test]
fn a_connection_that_opened_before_the_restart_is_still_known() {
    let scene = Scene::new();
    let agent = scene.agent(&[]);
    let mut open = connect(&scene.client.ns, scene.server.at(8080)).unwrap();
    open.echo().unwrap();
    established(&agent, 1.0);
    agent.kill().unwrap();
    open.reset().unwrap();
    let agent = scene.agent(&[]);
    agent.wait_metric("tcp_rst_total", &[("by", "client"), ("phase", "established")], 1.0).unwrap();
}

#[test]
fn cleanup_leaves_nothing() {
    let scene = Scene::new();
    let agent = scene.keeping_agent(&["--attach", "clsact"]);
    let (refusal, done) = scene.cleanup();
    assert!(!done && refusal.contains("another agent"), "{refusal}");
    agent.kill().unwrap();
    assert_eq!(scene.pins().len(), 1);
    let (refusal, done) = scene.cleanup_as(NOBODY);
    assert!(!done && refusal.contains("needs root"), "{refusal}");
    let (text, done) = scene.cleanup();
    // Two at the uplink and at each of two pods.
    assert!(done && text.contains(", 6 filters and "), "{text}");
    assert_eq!(scene.pins(), Vec::<PathBuf>::new());
    assert!(!scene.bpffs.pins().exists() && !scene.state.path().exists());
    let (text, done) = scene.cleanup();
    assert_eq!((text.as_str(), done), ("removed 0 pins, 0 filters and 0 files\n", true));
}

#[test]
fn without_a_bpffs_the_agent_works_and_says_what_is_missing() {
    let scene = Scene::new();
    let agent = scene.world.agent(&["--pin-dir", "/tmp/flow-observer-pins"]).unwrap();
    scene.connect(1);
    established(&agent, 1.0);
    let log = agent.log();
    assert_eq!(log.matches("is not on a bpffs; mount one").count(), 1, "{log}");
}

#[test]
fn maps_of_another_size_are_replaced() {
    let scene = Scene::new();
    scene.agent(&[]).kill().unwrap();
    scene.connect(4);
    let agent = scene.agent(&["--pair-map-entries", "1024"]);
    established(&agent, 4.0);
    scene.connect(1);
    established(&agent, 5.0);
}
