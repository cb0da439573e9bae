//! Findings as Kubernetes Events, on a real API server, with the account and the rights in `deploy/`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use lab::agent::Agent;
use lab::firewall::{Firewall, Refusal};
use lab::kube::{ApiServer, Mirror, Place};
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
    world: World,
}

#[test]
fn describe_shows_why_a_pod_is_refused() {
    let world = World::new().unwrap();
    let client = world.pod("web", "storefront").unwrap();
    let valkey = world.pod("data", "valkey").unwrap();
    let _serving = Server::start(&valkey.ns, PORT).unwrap();
    world.cluster.apply(&admitting("data", "cache-ingress", &["batch"])).unwrap();
    let _firewall = Firewall::new(&world.node, &valkey, (PORT, PORT), Refusal::PortUnreachable).unwrap();
    let place = Place::Inside(world.node.ns.clone());
    let api = ApiServer::start(&place, &world.guard.dir().join("kube")).unwrap();
    Mirror::new(world.cluster.dir()).sync(&api).unwrap();
    let kubeconfig = api.agent().unwrap();
    let args = ["--kubeconfig", kubeconfig.to_str().unwrap()];
    let agent = Agent::start(&world.node.ns, &world.node.name, "kube", world.guard.dir(), &args).unwrap();
    let stage = Stage { agent, api, world };

    let pod = format!("/api/v1/namespaces/web/pods/{}", client.name);
    let uid = stage.api.as_admin().get(&pod).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    let refuse = || drop(connect(&client.ns, valkey.at(PORT)).unwrap_err());
    let written = || events(&stage.api, "web", &client.name, &uid);
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

    let described = stage.api.kubectl(&["describe", "pod", "-n", "web", &client.name], None).unwrap();
    let line = described.lines().find(|line| line.contains("PolicyDenied")).unwrap_or(&described);
    assert!(line.contains("flow-observer") && line.contains("data/cache-ingress"), "{described}");
    let policy = |namespaces: &[&str]| {
        stage.world.cluster.apply(&admitting("data", "cache-ingress", namespaces)).unwrap();
        Mirror::new(stage.world.cluster.dir()).sync(&stage.api).unwrap();
    };
    policy(&["batch", "web"]);
    let over = stage.agent.wait_finding("policy_denied", "resolved", |found| found["count"] == 6).unwrap();
    let normal = |event: &Value| event["type"] == "Normal";
    let end = wait::until("its end", wait::DEADLINE, || written().into_iter().find(normal)).unwrap();
    assert_eq!(end["reason"], "PolicyDeniedEnded", "{end}");
    let because = over["ended_because"].as_str().unwrap();
    assert!(end["message"].as_str().unwrap().starts_with(&format!("Ended: {because}. Before: ")), "{end}");
    let warning = written().into_iter().find(grown).unwrap();
    assert_eq!(warning["message"], message, "the warning keeps its text");

    policy(&["batch"]);
    let again = |found: &Value| found["previous"] == over["id"];
    stage.agent.provoke("policy_denied", "active", refuse, again).unwrap();
    let name = |event: &Value| event["metadata"]["name"].clone();
    let other = |event: &Value| event["type"] == "Warning" && name(event) != name(&warning);
    let next = wait::until("another Event", wait::DEADLINE, || written().into_iter().find(other)).unwrap();
    assert!(next["count"].as_u64() < Some(6), "an Event counts its own episode: {next}");
    assert_eq!(stage.agent.metric("events_lost_total", &[("stage", "kube_events")]).unwrap(), 0.0);
}
