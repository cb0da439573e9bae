//! Findings as Kubernetes Events, on a real API server, with the account and the rights in `deploy/`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use lab::agent::Agent;
use lab::firewall::{Firewall, Refusal};
use lab::kube::{ApiServer, Mirror, Place};
use lab::pod::Pod;
use lab::policy::admitting;
use lab::traffic::{Server, connect};
use lab::wait;
use lab::world::World;
use serde_json::Value;

const PORT: u16 = 6379;

/// Returns the Events on an object, as `kubectl describe` looks for them.
fn events(api: &ApiServer, namespace: &str, name: &str, uid: &str) -> Vec<Value> {
    let fields = format!(
        "involvedObject.name={name},involvedObject.namespace={namespace},involvedObject.uid={uid},\
         source=flow-observer"
    );
    let list =
        api.kubectl(&["get", "events", "-n", namespace, "-o", "json", "--field-selector", &fields], None);
    let mut list: Value = serde_json::from_str(&list.unwrap()).unwrap();
    serde_json::from_value(list["items"].take()).unwrap()
}

/// A policy refuses a pod, and Events on it report that.
struct Stage {
    agent: Agent,
    api: ApiServer,
    client: Pod,
    valkey: Pod,
    uid: String,
    /// Dropped after the agent.
    _firewall: Firewall,
    world: World,
}

impl Stage {
    /// Lets the firewall refuse these ports.
    fn new(ports: (u16, u16)) -> Self {
        let world = World::new().unwrap();
        let client = world.pod("web", "storefront").unwrap();
        let valkey = world.pod("data", "valkey").unwrap();
        world.cluster.apply(&admitting("data", "cache-ingress", &["batch"])).unwrap();
        let firewall = Firewall::new(&world.node, &valkey, ports, Refusal::PortUnreachable).unwrap();
        let place = Place::Inside(world.node.ns.clone());
        let api = ApiServer::start(&place, &world.guard.dir().join("kube")).unwrap();
        Mirror::new(world.cluster.dir()).sync(&api).unwrap();
        let kubeconfig = api.agent().unwrap();
        let args = ["--kubeconfig", kubeconfig.to_str().unwrap()];
        let agent = Agent::start(&world.node.ns, &world.node.name, "kube", world.guard.dir(), &args).unwrap();
        let pod = format!("/api/v1/namespaces/web/pods/{}", client.name);
        let uid = api.as_admin().get(&pod).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
        Self { agent, api, client, valkey, uid, _firewall: firewall, world }
    }

    fn refuse(&self, port: u16) {
        drop(connect(&self.client.ns, self.valkey.at(port)).unwrap_err());
    }

    fn written(&self) -> Vec<Value> {
        events(&self.api, "web", &self.client.name, &self.uid)
    }

    fn admit(&self, namespaces: &[&str]) {
        self.world.cluster.apply(&admitting("data", "cache-ingress", namespaces)).unwrap();
        Mirror::new(self.world.cluster.dir()).sync(&self.api).unwrap();
    }
}

#[test]
fn describe_shows_why_a_pod_is_refused() {
    let stage = Stage::new((PORT, PORT));
    let _serving = Server::start(&stage.valkey.ns, PORT).unwrap();
    let refuse = || stage.refuse(PORT);
    let written = || stage.written();
    refuse();
    let first = wait::until("an Event", wait::DEADLINE, || written().into_iter().next()).unwrap();
    assert_eq!((&first["reason"], &first["type"]), (&"PolicyDenied".into(), &"Warning".into()), "{first}");
    assert_eq!(first["source"]["host"], stage.world.node.name.as_str(), "{first}");
    assert_eq!(
        (&first["related"]["kind"], &first["related"]["name"]),
        (&"NetworkPolicy".into(), &"cache-ingress".into())
    );
    let message = first["message"].as_str().unwrap();
    assert!(message.contains("data/cache-ingress") && message.contains("can't reach"), "{message}");

    for _ in 0..5 {
        refuse();
    }
    stage.agent.wait_finding("policy_denied", "active", |found| found["count"] == 6).unwrap();
    let grown = |event: &Value| event["count"] == 6;
    wait::until("its count to grow", wait::DEADLINE, || written().into_iter().find(grown)).unwrap();
    assert_eq!(written().len(), 1, "one Event, not one per refusal: {:?}", written());

    let described = stage.api.kubectl(&["describe", "pod", "-n", "web", &stage.client.name], None).unwrap();
    let line = described.lines().find(|line| line.contains("PolicyDenied")).unwrap_or(&described);
    assert!(line.contains("flow-observer") && line.contains("data/cache-ingress"), "{described}");
    stage.admit(&["batch", "web"]);
    let over = stage.agent.wait_finding("policy_denied", "resolved", |found| found["count"] == 6).unwrap();
    let normal = |event: &Value| event["type"] == "Normal";
    let end = wait::until("its end", wait::DEADLINE, || written().into_iter().find(normal)).unwrap();
    assert_eq!(end["reason"], "PolicyDeniedEnded", "{end}");
    let because = over["ended_because"].as_str().unwrap();
    assert!(end["message"].as_str().unwrap().starts_with(&format!("Ended: {because}. Before: ")), "{end}");
    let warning = written().into_iter().find(grown).unwrap();
    assert_eq!(warning["message"], message, "the warning keeps its text");

    stage.admit(&["batch"]);
    let again = |found: &Value| found["previous"] == over["id"];
    stage.agent.provoke("policy_denied", "active", refuse, again).unwrap();
    let name = |event: &Value| event["metadata"]["name"].clone();
    let other = |event: &Value| event["type"] == "Warning" && name(event) != name(&warning);
    let next = wait::until("another Event", wait::DEADLINE, || written().into_iter().find(other)).unwrap();
    assert!(next["count"].as_u64() < Some(6), "an Event counts its own episode: {next}");
    assert_eq!(stage.agent.metric("events_lost_total", &[("stage", "kube_events")]).unwrap(), 0.0);
}

/// Ten findings have Events of their own, and one Event combines the rest.
#[test]
fn many_similar_findings_are_combined_and_end_once() {
    const LAST: u16 = PORT + 13;
    let stage = Stage::new((PORT, LAST));
    (PORT..=LAST).for_each(|port| stage.refuse(port));
    let is_combined = |event: &Value| {
        let message = event["message"].as_str().unwrap_or_default();
        message.starts_with("(combined from similar events): 4 findings, 4 of them active; the newest: ")
    };
    let of_type = |kind: &str| -> Vec<Value> {
        stage.written().into_iter().filter(|event| event["type"] == kind).collect()
    };
    let combined = || of_type("Warning").into_iter().find(is_combined);
    let combined = wait::until("a combined Event", wait::DEADLINE, combined).unwrap();
    assert_eq!((&combined["reason"], &combined["count"]), (&"PolicyDenied".into(), &4.into()), "{combined}");
    assert_eq!(of_type("Warning").len(), 11);

    stage.admit(&["batch", "web"]);
    let ends = || Some(of_type("Normal")).filter(|ends| ends.len() == 11);
    let ends = wait::until("all ends", wait::DEADLINE, ends).unwrap();
    let of_all =
        |end: &&Value| end["message"].as_str().unwrap_or_default().contains("all 4 findings have ended");
    assert_eq!(ends.iter().filter(of_all).count(), 1, "{ends:?}");
    stage.agent.wait_metric("events_pending", &[], 0.0).unwrap();
    assert_eq!(stage.agent.metric("events_lost_total", &[("stage", "kube_events")]).unwrap(), 0.0);
}
