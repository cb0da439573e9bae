//! Enforcers that lag behind the policies, and one that never follows.

use lab::agent::Agent;
use lab::findings::PATIENCE;
use lab::firewall::{Firewall, Refusal};
use lab::pod::Pod;
use lab::policy;
use lab::traffic::{Server, connect};
use lab::wait;
use lab::world::World;
use serde_json::Value;

const PORT: u16 = 8080;
/// Longer than anything in these tests takes.
const ALL_IS_LAG: [&str; 2] = ["--enforcement-grace", "10m"];

fn get_through(client: &Pod, server: &Pod) {
    connect(&client.ns, server.at(PORT)).unwrap().echo().unwrap();
}

/// Returns the ages of the change at the attempts that enforcement lagged behind, in microseconds.
fn ages(agent: &Agent, since: &str) -> Vec<u64> {
    let records = agent.flows("kind=attempt").unwrap();
    let lags = records.iter().map(|record| &record["enforcement_lag"]).filter(|lag| lag["since"] == since);
    lags.map(|lag| lag["age_us"].as_u64().unwrap()).collect()
}

/// Connects until an attempt has slipped through this many microseconds after the change.
fn slip_through(agent: &Agent, client: &Pod, server: &Pod, since: &str, age_us: u64) {
    let slipped = || {
        get_through(client, server);
        ages(agent, since).into_iter().any(|age| age >= age_us).then_some(())
    };
    wait::until("attempts to slip through", PATIENCE, slipped).unwrap();
}

fn be_refused(agent: &Agent, client: &Pod, server: &Pod) -> Value {
    drop(connect(&client.ns, server.at(PORT)).unwrap_err());
    agent.wait_flow("kind=attempt&outcome=rejected", |_| true).unwrap()
}

/// Checks that the histogram has one value, the age of the change at the last attempt that slipped through.
fn measured(agent: &Agent, since: &str) {
    let of = [("since", since)];
    let count =
        || agent.metric("policy_enforcement_lag_seconds_count", &of).ok().filter(|count| *count > 0.0);
    assert_eq!(wait::until("the measurement", PATIENCE, count).unwrap(), 1.0);
    let sum = agent.metric("policy_enforcement_lag_seconds_sum", &of).unwrap();
    let ages = ages(agent, since);
    let last = *ages.iter().max().unwrap() as f64 / 1e6;
    assert!((sum - last).abs() < 1e-5, "{sum} s, and the last attempt slipped through at {last} s");
    let slipped = agent.metric("policy_enforcement_lag_attempts_total", &of).unwrap();
    assert_eq!(slipped, ages.len() as f64, "{ages:?}");
    let findings = agent.findings().unwrap();
    assert!(findings.iter().all(|finding| finding["kind"] != "enforcement_mismatch"), "{findings:#?}");
}

#[test]
fn a_firewall_that_follows_the_policies_late_is_measured() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, PORT).unwrap();
    world.cluster.apply(&policy::admitting("data", "lockdown", &["web"])).unwrap();
    let firewall = Firewall::new(&world.node, &server, (PORT, PORT), Refusal::PortUnreachable).unwrap();
    firewall.allow_pod(&client).unwrap();
    let agent = world.agent(&ALL_IS_LAG).unwrap();
    get_through(&client, &server);
    let before = agent.wait_flow("kind=attempt", |_| true).unwrap();
    assert_eq!(before["verdict"]["decision"], "allow", "{before}");
    assert_eq!(before["enforcement_lag"], Value::Null, "{before}");

    world.cluster.apply(&policy::admitting("data", "lockdown", &["batch"])).unwrap();
    slip_through(&agent, &client, &server, "policy", 1_000_000);
    firewall.deny_pod(&client).unwrap();
    let refused = be_refused(&agent, &client, &server);
    assert_eq!(refused["verdict"]["decision"], "deny", "{refused}");
    assert_eq!(refused["enforcement_lag"], Value::Null, "{refused}");
    measured(&agent, "policy");
}

/// A pod is open until its chain exists.
#[test]
fn a_firewall_that_guards_a_new_pod_late_is_measured() {
    let world = World::new().unwrap();
    let client = world.pod("web", "front").unwrap();
    world.cluster.namespace("data").unwrap();
    world.cluster.apply(&policy::admitting("data", "lockdown", &["batch"])).unwrap();
    let agent = world.agent(&ALL_IS_LAG).unwrap();

    let server = world.pod("data", "cache").unwrap();
    let _serving = Server::start(&server.ns, PORT).unwrap();
    slip_through(&agent, &client, &server, "pod", 200_000);
    let _firewall = Firewall::new(&world.node, &server, (PORT, PORT), Refusal::PortUnreachable).unwrap();
    be_refused(&agent, &client, &server);
    measured(&agent, "pod");
}

#[test]
fn a_firewall_that_never_follows_is_a_finding_from_the_first_attempt_on() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, PORT).unwrap();
    world.cluster.apply(&policy::admitting("data", "lockdown", &["web"])).unwrap();
    let agent = world.agent(&["--enforcement-grace", "5s"]).unwrap();
    world.cluster.apply(&policy::admitting("data", "lockdown", &["batch"])).unwrap();

    slip_through(&agent, &client, &server, "policy", 0);
    let through = || get_through(&client, &server);
    let found = agent.provoke("enforcement_mismatch", "active", through, |_| true).unwrap();
    assert!(found["count"].as_u64().unwrap() > 1, "{found}");
    let evidence = found["evidence"][0]["text"].as_str().unwrap();
    assert!(evidence.ends_with(" s after the policies changed"), "{found}");
    assert_eq!(found["first_seen"], found["evidence"][0]["time"], "{found}");
    assert_eq!(agent.metric("policy_enforcement_lag_seconds_count", &[("since", "policy")]).unwrap(), 0.0);
}
