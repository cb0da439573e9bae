//! What the enforcer logged, beside the verdict and what the wire showed.

use std::process::Command;
use std::time::Duration;

use lab::agent::{Agent, binary};
use lab::cluster::ServiceSpec;
use lab::firewall::{Firewall, Refusal};
use lab::netns::Netns;
use lab::pod::Pod;
use lab::policy;
use lab::traffic::{Server, connect, connect_within};
use lab::world::World;
use observer::netlink::enforcer_log::EnforcerLog;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const PORT: u16 = 8080;
/// kube-router's group.
const GROUP: u16 = 100;
const PROBE: [(&str, &str); 1] = [("probe", "enforcer_log")];

/// A client, a server behind a firewall that admits nobody, and a policy of the server that admits these namespaces.
fn stage(world: &World, admitted: &[&str]) -> (Pod, Pod, Firewall) {
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    world.cluster.apply(&policy::admitting("data", "lockdown", admitted)).unwrap();
    let firewall = Firewall::new(&world.node, &server, (PORT, PORT), Refusal::PortUnreachable).unwrap();
    (client, server, firewall)
}

/// Starts an agent that reads the log.
fn reader(world: &World, args: &[&str]) -> Agent {
    let agent = world.agent(args).unwrap();
    agent.wait_metric("probe_attached", &PROBE, 1.0).unwrap();
    agent
}

/// Another program that reads the log, in the node's network.
struct OtherReader {
    log: Option<EnforcerLog>,
    runtime: Runtime,
}

impl OtherReader {
    fn start(ns: &Netns) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let open = || runtime.block_on(async { EnforcerLog::open(GROUP).unwrap() });
        Self { log: Some(ns.run(open)), runtime }
    }
}

impl Drop for OtherReader {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.log.take();
    }
}

/// Makes a connection that is refused, and returns its record.
fn refused(agent: &Agent, client: &Pod, to: std::net::SocketAddr) -> Value {
    let before = agent.flows("kind=attempt").unwrap().len();
    connect(&client.ns, to).unwrap_err();
    let newest = |a: &Agent| a.flows("kind=attempt").ok().filter(|all| all.len() > before)?.pop();
    let record = agent.wait_for("the record", newest).unwrap();
    assert_eq!(record["outcome"], "rejected", "{record}");
    record
}

/// Makes refused connections until one has its line, which comes by another way than the packets, and returns its record.
fn logged(agent: &Agent, client: &Pod, to: std::net::SocketAddr) -> Value {
    let with_line = |a: &Agent| Some(refused(a, client, to)).filter(|record| record["enforcer"] == "logged");
    agent.wait_for("a refusal with its line", with_line).unwrap()
}

/// Is true when a piece of evidence has these parts, and nothing after them but the age of a change: the first attempts
/// may come within the grace.
fn has_evidence(finding: &Value, parts: &str) -> bool {
    let evidence = finding["evidence"].as_array().unwrap();
    let mut rests = evidence.iter().filter_map(|piece| Some(piece["text"].as_str()?.split_once(parts)?.1));
    rests.any(|rest| rest.is_empty() || (rest.starts_with(", ") && rest.contains(" s after the ")))
}

#[test]
fn policies_and_enforcer_agree() {
    let world = World::new().unwrap();
    let (client, server, _firewall) = stage(&world, &["batch"]);
    let vip = "10.43.7.7".parse().unwrap();
    let spec =
        ServiceSpec { namespace: "data", name: "cache", cluster_ips: &[vip], port: 80, target_port: PORT };
    world.service(&spec, &server).unwrap();
    let agent = reader(&world, &[]);
    for to in [server.at(PORT), server.at6(PORT), (vip, 80).into()] {
        let record = logged(&agent, &client, to);
        assert_eq!(record["verdict"]["decision"], "deny", "{record}");
        assert_eq!(record["enforcer_policy"], Value::Null, "kube-router names none: {record}");
        assert_eq!(record["drop_reason"], "NETFILTER_DROP", "{record}");
    }
    let found = agent.wait_finding("policy_denied", "active", |_| true).unwrap();
    assert!(has_evidence(&found, "dropped: NETFILTER_DROP, logged by the enforcer"), "{found}");
}

/// The attempt ends 5 s after the line.
#[test]
fn a_silent_drop_is_joined_with_its_line() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _firewall = Firewall::new(&world.node, &server, (PORT, PORT), Refusal::Drop).unwrap();
    let agent = reader(&world, &[]);
    connect_within(&client.ns, server.at(PORT), Duration::from_millis(500)).unwrap_err();
    let record = agent.wait_flow("kind=attempt", |_| true).unwrap();
    assert_eq!(
        (&record["outcome"], &record["enforcer"]),
        (&json!("unanswered"), &json!("logged")),
        "{record}"
    );
}

#[test]
fn the_enforcer_drops_what_the_policies_allow() {
    let world = World::new().unwrap();
    let (client, server, firewall) = stage(&world, &["web"]);
    firewall.log_as("data/lockdown").unwrap();
    let agent = reader(&world, &["--enforcement-grace", "1s"]);
    let talk = || drop(connect(&client.ns, server.at(PORT)).unwrap_err());
    let parts = "logged by the enforcer (policy data/lockdown)";
    let found = agent.provoke("enforcement_mismatch", "active", talk, |f| has_evidence(f, parts)).unwrap();
    let record = agent.wait_flow("kind=attempt", |r| r["enforcer"] == "logged").unwrap();
    assert_eq!(record["verdict"]["decision"], "allow", "{record}");
    assert_eq!(record["enforcer_policy"], "data/lockdown", "{record}");
    assert_eq!(agent.findings().unwrap().len(), 1, "{found}");
}

/// k3s logs a packet for each policy that does not admit it, though another does.
#[test]
fn a_line_about_a_connection_that_another_policy_admits_says_nothing() {
    let world = World::new().unwrap();
    let (client, server, firewall) = stage(&world, &["web"]);
    let _serving = Server::start(&server.ns, PORT).unwrap();
    firewall.log_as("data/other").unwrap();
    let agent = reader(&world, &[]);
    assert_eq!(logged(&agent, &client, server.at(PORT))["enforcer_policy"], "data/other");
    let lines = || {
        let rules = world.node.ns.exec("iptables -w -nvxL").unwrap();
        let rule = rules.lines().find(|rule| rule.contains("DROP by policy data/other")).unwrap();
        rule.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    let before = lines();
    // The mark by which the other policy admits it comes after the line.
    let chains = world.node.ns.exec("iptables -S").unwrap();
    let jump = chains.lines().find(|rule| rule.contains("-j KUBE-NWPLCY-")).unwrap();
    let chain = jump.split_whitespace().nth(1).unwrap();
    world.node.ns.exec(format!("iptables -w -I {chain} 6 -j MARK --set-xmark 0x10000/0x10000")).unwrap();
    connect(&client.ns, server.at(PORT)).unwrap().echo().unwrap();
    let record = agent.wait_flow("kind=attempt", |r| r["outcome"] == "established").unwrap();
    assert_eq!(record["enforcer"], Value::Null, "{record}");
    assert_eq!(lines(), before + 1, "it was logged");
}

#[test]
fn the_limit_of_the_log_proves_nothing() {
    const ATTEMPTS: usize = 16;
    let world = World::new().unwrap();
    let (client, server, _firewall) = stage(&world, &["batch"]);
    let agent = reader(&world, &[]);
    for _ in 0..ATTEMPTS {
        connect(&client.ns, server.at(PORT)).unwrap_err();
    }
    let found = agent.wait_finding("policy_denied", "active", |f| f["count"] == ATTEMPTS).unwrap();
    let records = agent.flows("kind=attempt").unwrap();
    let (logged, other): (Vec<_>, Vec<_>) = records.iter().partition(|r| r["enforcer"] == "logged");
    assert!(!logged.is_empty() && !other.is_empty(), "{records:#?}");
    let decisions = |of: &[&Value]| of.iter().all(|r| r["verdict"]["decision"] == "deny");
    assert!(decisions(&logged) && decisions(&other), "{records:#?}");
    assert_eq!(agent.findings().unwrap().len(), 1, "{found}");
}

#[test]
fn a_log_that_another_program_reads_is_reported_once() {
    let world = World::new().unwrap();
    let (client, server, _firewall) = stage(&world, &["batch"]);
    let ns = &world.node.ns;
    let other = OtherReader::start(ns);
    let agent = world.agent(&[]).unwrap();
    agent.wait_metric("blind_spots", &[("reason", "enforcer_log")], 1.0).unwrap();
    agent.wait_metric("probe_attached", &PROBE, 0.0).unwrap();
    let ready = agent.get("/readyz").unwrap();
    let body: Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!(ready.status, 200, "{body}");
    let why = "another program reads group 100 of the packet log";
    let [spot] = &body["blind_spots"].as_array().unwrap()[..] else { panic!("{body}") };
    assert_eq!(spot["reason"], "enforcer_log", "{body}");
    assert!(spot["why"].as_str().unwrap().contains(why), "{body}");
    let doctor = ns.run(|| Command::new(binary().unwrap()).arg("doctor").output().unwrap());
    let lines = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(lines.contains("enforcer_log (group 100)") && lines.contains(why), "{lines}");

    let record = refused(&agent, &client, server.at(PORT));
    assert_eq!(record["enforcer"], Value::Null, "{record}");
    drop(other);
    let record = refused(&agent, &client, server.at(PORT));
    assert_eq!(
        record["enforcer"],
        Value::Null,
        "a free group is left to its owner, who may restart: {record}"
    );
    assert_eq!(agent.log().matches(why).count(), 1, "{}", agent.log());
    assert_eq!(agent.findings_of("blind_spot", "active").unwrap(), json!([]).as_array().unwrap().clone());
}

#[test]
fn a_log_that_is_off_is_left_to_others() {
    let world = World::new().unwrap();
    let (client, server, _firewall) = stage(&world, &["batch"]);
    let agent = world.agent(&["--enforcer-log", "off"]).unwrap();
    let record = refused(&agent, &client, server.at(PORT));
    assert_eq!(record["enforcer"], Value::Null, "{record}");
    let samples = agent.metrics().unwrap();
    assert!(!samples.iter().any(|sample| sample.matches("flow_observer_probe_attached", &PROBE)));
    drop(OtherReader::start(&world.node.ns));
}
