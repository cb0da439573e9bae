//! Checks the way from packets to a notification: the rules in `deploy/`, in Debian's Prometheus and Alertmanager.

use lab::agent::LISTEN;
use lab::findings::says;
use lab::firewall::{Firewall, Refusal};
use lab::policy::admitting;
use lab::prometheus::{Monitor, RULES, Target};
use lab::traffic::{Server, connect};
use lab::world::World;
use serde_json::Value;

/// Is true for an alert about the pair of this file.
fn names_the_pair(alert: &Value) -> bool {
    let labels = &alert["labels"];
    labels["src_namespace"] == "web"
        && labels["src_workload"] == "front"
        && labels["dst_namespace"] == "data"
        && labels["dst_workload"] == "cache"
        && labels["dst_port"] == "8080"
}

/// A connection works, a policy refuses it, the policy is repaired; in the end the agent dies.
#[test]
fn a_refusal_by_policy_arrives_with_its_names_and_is_resolved() {
    let world = World::new().unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let firewall = Firewall::new(&world.node, &server, (1, u16::MAX), Refusal::PortUnreachable).unwrap();
    firewall.allow_pod(&client).unwrap();
    world.cluster.apply(&admitting("data", "lockdown", &["web", "batch"])).unwrap();
    let agent = world.agent(&[]).unwrap();
    let target = Target { name: "node1", ns: &world.node.ns, at: LISTEN };
    let monitor = Monitor::start(&world.guard, &[target]).unwrap();
    connect(&client.ns, server.at(8080)).unwrap().echo().unwrap();
    let established =
        r#"flow_observer_connection_attempts_total{outcome="established",dst_workload="cache"}"#;
    monitor.wait_query(established, |n| n >= 1.0).unwrap();

    world.cluster.apply(&admitting("data", "lockdown", &["batch"])).unwrap();
    let query = format!("/api/v1/explain?src=web/{}&dst=data/{}:8080", client.name, server.name);
    let denied = |answer: &str| answer.contains(r#""decision":"deny""#);
    agent.wait_for("the policy", |a| a.get(&query).ok().filter(|answer| denied(&answer.body))).unwrap();
    firewall.deny_pod(&client).unwrap();
    let try_again = || drop(connect(&client.ns, server.at(8080)).unwrap_err());
    let named = |alert: &Value| alert["labels"]["policy"] == "data/lockdown" && names_the_pair(alert);
    let alert = monitor.wait_alert("FlowObserverPolicyDenied", "firing", try_again, named).unwrap();
    assert_eq!(alert["labels"]["severity"], "critical", "it worked before: {alert}");
    let parts = ["web/front", "data/cache:8080", "NetworkPolicy data/lockdown"];
    assert!(says(&alert["annotations"]["summary"], &parts), "{alert}");
    assert!(says(&alert["annotations"]["runbook_url"], &["/runbooks/policy-denied"]), "{alert}");
    let chosen = "/flow-observer-workload?var-namespace=data&var-workload=cache";
    assert!(says(&alert["annotations"]["dashboard_url"], &[chosen]), "{alert}");

    world.cluster.apply(&admitting("data", "lockdown", &["web", "batch"])).unwrap();
    firewall.allow_pod(&client).unwrap();
    monitor.wait_alert("FlowObserverPolicyDenied", "resolved", || {}, named).unwrap();
    let refused = |alert: &Value| alert["labels"]["alertname"] == "FlowObserverConnectionsRefused";
    assert!(
        !monitor.received().iter().any(refused),
        "a refusal by policy is reported once: {:?}",
        monitor.received()
    );

    agent.stop().unwrap();
    monitor.wait_alert("FlowObserverNoAgent", "firing", || {}, |_| true).unwrap();
}

/// The alerts of a renamed metric would never fire.
#[test]
fn the_rules_ask_for_metrics_that_there_are() {
    let world = World::new().unwrap();
    let agent = world.agent(&[]).unwrap();
    let exposed = agent.get("/metrics").unwrap().body;
    let rules = std::fs::read_to_string(RULES).unwrap();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = rules.split(|c| !is_name(c)).filter(|word| !word.contains(':'));
    let mut metrics: Vec<&str> = words.filter(|word| word.starts_with("flow_observer_")).collect();
    metrics.sort_unstable();
    metrics.dedup();
    assert!(metrics.len() > 8, "{metrics:?}");
    for metric in metrics {
        let is_family = exposed.contains(&format!("# TYPE {metric} "));
        let histogram = ["_bucket", "_count", "_sum"].iter().find_map(|part| metric.strip_suffix(part));
        let is_part = histogram.is_some_and(|name| exposed.contains(&format!("# TYPE {name} histogram")));
        assert!(is_family || is_part, "the agent has no {metric}");
    }
}
