//! The history in a real log engine: what agents send to VictoriaLogs is found again with LogsQL.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use lab::agent::Agent;
use lab::firewall::{Firewall, Refusal};
use lab::overlay;
use lab::pod::Pod;
use lab::policy::{admitting, managed_by};
use lab::traffic::{Server, connect};
use lab::victoria_logs::VictoriaLogs;
use lab::world::World;
use serde_json::Value;

const PORT: u16 = 8080;
/// The streams by which VictoriaLogs groups what it keeps.
const STREAMS: &str = "VL-Stream-Fields=service.name%2Ck8s.node.name";

const INTERVAL: &str = "--otlp-interval";

struct Scene {
    agents: Vec<Agent>,
    logs: VictoriaLogs,
    client: Pod,
    server: Pod,
    world: World,
}

impl Scene {
    /// Makes a node with an agent whose history goes to a machine where nothing runs yet.
    fn new(args: &[&str]) -> Self {
        let world = World::new().unwrap();
        let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
        let logs = VictoriaLogs::new(&world.guard, &world.lan).unwrap();
        let agent =
            world.agent(&sending(&logs, args).iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        Self { agents: vec![agent], logs, client, server, world }
    }

    fn agent(&self) -> &Agent {
        &self.agents[0]
    }

    /// Opens a connection that nobody takes.
    fn be_refused(&self) {
        connect(&self.client.ns, self.server.at(9)).unwrap_err();
    }
}

fn sending(logs: &VictoriaLogs, args: &[&str]) -> Vec<String> {
    let endpoint = logs.endpoint();
    let own = ["--otlp-endpoint", &endpoint, "--otlp-headers", STREAMS];
    let interval = if args.contains(&INTERVAL) { &[][..] } else { &[INTERVAL, "1s"] };
    own.iter().chain(interval).chain(args).map(|arg| (*arg).to_owned()).collect()
}

fn some(rows: &[Value]) -> bool {
    !rows.is_empty()
}

/// Returns the sum of a column of numbers, which VictoriaLogs gives as text.
fn sum(rows: &[Value], column: &str) -> u64 {
    rows.iter().filter_map(|row| row[column].as_str()?.parse::<u64>().ok()).sum()
}

#[test]
fn what_happened_is_found_again() {
    let mut scene = Scene::new(&["--otlp-resource-attributes", "k8s.cluster.name=lab"]);
    scene.logs.start().unwrap();
    let (logs, client, server) = (&scene.logs, &scene.client, &scene.server);
    let _serving = Server::start(&server.ns, PORT).unwrap();

    scene.be_refused();
    let refused = logs.wait("flow_observer.outcome:refused", some).unwrap();
    let row = &refused[0];
    let expected = [
        ("service.name", "flow-observer"),
        ("k8s.node.name", "node1"),
        ("k8s.cluster.name", "lab"),
        ("event_name", "flow_observer.attempt"),
        ("severity_text", "WARN"),
        ("source.k8s.namespace.name", "web"),
        ("source.k8s.deployment.name", "front"),
        ("source.k8s.pod.name", client.name.as_str()),
        ("destination.k8s.namespace.name", "data"),
        ("destination.k8s.pod.name", server.name.as_str()),
        ("destination.port", "9"),
        ("network.transport", "tcp"),
    ];
    for (key, value) in expected {
        assert_eq!(row[key], value, "{key}: {row:#}");
    }
    let body = row["_msg"].as_str().unwrap();
    assert!(body.starts_with(&format!("web/{}:", client.name)) && body.contains(" refused"), "{row:#}");

    // The same agent's answer to the API is the yardstick.
    for _ in 0..5 {
        connect(&client.ns, server.at(PORT)).unwrap().echo().unwrap();
    }
    connect(&client.ns, server.at(PORT)).unwrap().be_reset().unwrap();
    let resets =
        logs.wait("flow_observer.reset.by:server flow_observer.reset.phase:established", some).unwrap();
    assert_eq!(resets[0]["destination.k8s.deployment.name"], "cache", "{:#}", resets[0]);
    let pairs = "event_name:flow_observer.connections destination.k8s.deployment.name:cache";
    let merged = logs.wait(pairs, |rows| sum(rows, "flow_observer.count") >= 6).unwrap();
    assert_eq!(sum(&merged, "flow_observer.count"), 6, "{merged:#?}");
    assert!(
        merged.iter().all(|row| row["source.port"] == Value::Null),
        "a client's port is of one connection"
    );

    let finding = "flow_observer.finding.kind:service_refused";
    let appeared = logs.wait(&format!("{finding} flow_observer.finding.change:appeared"), some).unwrap();
    let known = scene.agent().wait_finding("service_refused", "active", |_| true).unwrap();
    assert_eq!(appeared[0]["flow_observer.finding.id"], known["id"], "{:#}", appeared[0]);
    let _now_it_listens = Server::start(&server.ns, 9).unwrap();
    scene
        .agent()
        .wait_for("the end of the finding", |agent| {
            connect(&client.ns, server.at(9)).ok()?.echo().ok()?;
            agent.findings_of("service_refused", "resolved").ok().filter(|all| !all.is_empty())
        })
        .unwrap();
    let ended = logs.wait(&format!("{finding} flow_observer.finding.change:resolved"), some).unwrap();
    assert_eq!(ended[0]["flow_observer.finding.id"], known["id"], "{:#}", ended[0]);

    let lost: f64 = ["rejected", "queue_full", "shutdown"]
        .map(|result| scene.agent().metric("otlp_records_total", &[("result", result)]).unwrap())
        .iter()
        .sum();
    assert_eq!(lost, 0.0);
}

#[test]
fn a_policy_change_has_its_author_and_a_refusal_its_policy() {
    let mut scene = Scene::new(&[]);
    scene.logs.start().unwrap();
    let firewall =
        Firewall::new(&scene.world.node, &scene.server, (1, u16::MAX), Refusal::PortUnreachable).unwrap();
    firewall.allow_pod(&scene.client).unwrap();
    let policy = |from: &[&str]| managed_by(admitting("data", "lockdown", from), "argocd-controller");
    scene.world.cluster.apply(&policy(&["web"])).unwrap();
    scene
        .logs
        .wait("event_name:flow_observer.policy_change flow_observer.policy.change:created", some)
        .unwrap();
    scene.world.cluster.apply(&policy(&["batch"])).unwrap();
    let changed = "event_name:flow_observer.policy_change flow_observer.policy.change:changed";
    let row = &scene.logs.wait(changed, some).unwrap()[0];
    assert_eq!(row["flow_observer.policy.name"], "lockdown", "{row:#}");
    assert_eq!(row["k8s.namespace.name"], "data", "{row:#}");
    assert_eq!(row["flow_observer.policy.manager"], "argocd-controller", "{row:#}");
    firewall.deny_pod(&scene.client).unwrap();
    connect(&scene.client.ns, scene.server.at(PORT)).unwrap_err();
    let denied = scene.logs.wait("flow_observer.outcome:rejected flow_observer.verdict:deny", some).unwrap();
    assert_eq!(denied[0]["flow_observer.policies"], "data/lockdown", "{:#}", denied[0]);
}

#[test]
fn both_nodes_sightings_of_a_connection_have_one_id() {
    let mut scene = Scene::new(&[]);
    scene.logs.start().unwrap();
    let second = scene.world.add_node("node2", 2).unwrap();
    overlay::join(&[&scene.world.node, &second]).unwrap();
    let server = scene.world.pod_on(&second, "data", "replica").unwrap();
    let args = sending(&scene.logs, &[]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    scene.agents.push(scene.world.agent_on(&second, &args).unwrap());
    for to in [server.at(9), server.at6(9)] {
        connect(&scene.client.ns, to).unwrap_err();
    }
    let by_id = "flow_observer.outcome:refused destination.k8s.deployment.name:replica | stats by (flow_observer.event.id) \
                 count() sightings, count_uniq(k8s.node.name) nodes";
    let twice = |rows: &[Value]| rows.iter().filter(|row| row["nodes"] == "2").count() == 2;
    let rows = scene.logs.wait(by_id, twice).unwrap();
    assert!(rows.iter().all(|row| row["sightings"] == "2"), "{rows:#?}");
    assert_eq!(rows.len(), 2, "one id for each connection: {rows:#?}");
}

#[test]
fn what_happens_while_the_log_engine_is_away_is_delivered_later() {
    let mut scene = Scene::new(&[]);
    scene.be_refused();
    let failed = |agent: &Agent| {
        agent.metric("otlp_requests_total", &[("result", "failed")]).ok().filter(|n| *n >= 2.0)
    };
    scene.agent().wait_for("requests that fail", failed).unwrap();
    scene.logs.start().unwrap();
    let query = "flow_observer.outcome:refused destination.k8s.deployment.name:cache";
    assert_eq!(scene.logs.wait(query, some).unwrap().len(), 1);

    // It restarts while the agent holds a connection to it.
    scene.logs.stop().unwrap();
    scene.be_refused();
    scene.logs.start().unwrap();
    scene.logs.wait(query, |rows| rows.len() == 2).unwrap();
    let lost = |result| scene.agent().metric("otlp_records_total", &[("result", result)]).unwrap();
    assert_eq!(["rejected", "queue_full", "shutdown"].map(lost), [0.0; 3]);
}

#[test]
fn what_does_not_fit_while_it_is_away_is_counted() {
    let mut scene = Scene::new(&["--otlp-queue-bytes", "16384"]);
    let full = |agent: &Agent| {
        agent.metric("otlp_records_total", &[("result", "queue_full")]).ok().filter(|n| *n >= 5.0)
    };
    scene
        .agent()
        .wait_for("a full queue", |agent| {
            scene.be_refused();
            full(agent)
        })
        .unwrap();
    assert_eq!(scene.agent().metric("otlp_queue_limit_bytes", &[]).unwrap(), 16_384.0);
    let lost = scene.agent().metric("events_lost_total", &[("stage", "history")]).unwrap();
    assert!(lost >= 5.0, "{lost}");
    scene.logs.start().unwrap();
    scene.logs.wait("flow_observer.outcome:refused", some).unwrap();
    scene.agent().wait_metric("otlp_queue_bytes", &[], 0.0).unwrap();
}

#[test]
fn the_end_of_an_agent_sends_what_it_holds() {
    let mut scene = Scene::new(&[INTERVAL, "1h"]);
    scene.logs.start().unwrap();
    let _serving = Server::start(&scene.server.ns, PORT).unwrap();
    for _ in 0..3 {
        connect(&scene.client.ns, scene.server.at(PORT)).unwrap().echo().unwrap();
    }
    scene.agent().wait_flow("kind=attempt&outcome=established", |r| r["dst"]["port"] == PORT).unwrap();
    scene.agents.remove(0).stop().unwrap();
    let pairs = "event_name:flow_observer.connections destination.k8s.deployment.name:cache";
    assert_eq!(sum(&scene.logs.wait(pairs, some).unwrap(), "flow_observer.count"), 3);
}
