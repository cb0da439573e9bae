//! What breaks around the agents: the API server, their rights, a node.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::real::{AGENTS, Cluster, DAEMONSET, PATIENCE, Scenario, Undo, peer};
use lab::wait;
use serde_json::{Value, json};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("the_api_server_is_away_for_a_minute", Cluster::ensure_agents, api_away),
    Scenario::new(
        "a_missing_right_is_named_and_its_verdicts_are_unknown",
        Cluster::ensure_agents,
        right_missing,
    ),
];

/// It comes last: the node is gone for the rest.
pub(crate) const LAST: &[Scenario] =
    &[Scenario::new("a_deleted_node_is_not_asked_any_more", Cluster::ensure_agents, node_deleted)];

const AWAY: Duration = Duration::from_secs(60);
const REJECT: &str = "INPUT -p tcp --dport 6443 -j REJECT --reject-with tcp-reset";

fn api_away(cluster: &Cluster) -> Result<()> {
    let nodes = cluster.nodes()?;
    let before = cluster.list("namespaces")?.len() as f64;
    wait::until("every agent to know all Namespaces", PATIENCE, || all_know(cluster, &nodes, before))?;
    let restarts = restarts(cluster)?;
    let began = Instant::now();
    let back = Undo::new(|| cluster.on("n1", &format!("iptables -w -D {REJECT}")).map(drop));
    cluster.on("n1", &format!("iptables -w -I {REJECT}"))?;
    wait::until("every agent to notice", PATIENCE, || {
        nodes.iter().all(|node| cluster.synced(node, "Namespace") == Some(false)).then_some(())
    })?;
    while began.elapsed() < AWAY {
        for node in &nodes {
            // The way to the agent may fail by itself, as the API server's absence ends other connections.
            wait::until("/healthz", PATIENCE, || {
                cluster.page(node, "/healthz").ok().filter(|page| page.status == 200)
            })?;
        }
    }
    back.finish()?;
    let namespace = cluster.temporary(&["after-outage"]);
    wait::until("the API server", PATIENCE, || cluster.kubectl("create namespace after-outage").ok())?;
    wait::until("every agent to catch up", PATIENCE, || all_know(cluster, &nodes, before + 1.0))?;
    let now = self::restarts(cluster)?;
    ensure!(now == restarts, "the kubelets restarted agents: {restarts:?}, {now:?}");
    namespace.finish()
}

fn all_know(cluster: &Cluster, nodes: &[String], namespaces: f64) -> Option<()> {
    let knows = |node: &String| {
        cluster.known(node, "Namespace") == Some(namespaces)
            && cluster.synced(node, "Namespace") == Some(true)
    };
    nodes.iter().all(knows).then_some(())
}

/// Names of the agents' pods, with how often they were restarted.
fn restarts(cluster: &Cluster) -> Result<Vec<(Value, Value)>> {
    let pods = cluster.list(&format!("pods -n {AGENTS}"))?;
    let count = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].clone();
    Ok(pods.iter().map(|pod| (pod["metadata"]["name"].clone(), count(pod))).collect())
}

/// What the agents may not read could say anything.
fn right_missing(cluster: &Cluster) -> Result<()> {
    let namespace = cluster.temporary(&["rights"]);
    cluster.apply(&two_pods().to_string())?;
    cluster.kubectl("-n rights wait --for=condition=Ready pod --all --timeout=90s")?;
    decided(cluster, "allow")?;
    let right = Undo::new(|| cluster.install_agents());
    without_policies(cluster)?;
    cluster.kubectl(&format!("-n {AGENTS} rollout restart {DAEMONSET}"))?;
    decided(cluster, "unknown")?;
    let named = || {
        let logs = format!("-n {AGENTS} logs -l app.kubernetes.io/name=flow-observer --tail=200");
        let log = cluster.kubectl(&logs).ok()?;
        (log.contains("networkpolicies") && log.contains("forbidden")).then_some(())
    };
    wait::until("an agent that names what is missing", PATIENCE, named)?;
    for node in cluster.nodes()? {
        // A new agent answers before it has asked for the kind, and until then it has no value.
        wait::until(&format!("the agent on {node} to lack NetworkPolicies"), PATIENCE, || {
            (cluster.synced(&node, "NetworkPolicy") == Some(false)).then_some(())
        })?;
    }
    right.finish()?;
    decided(cluster, "allow")?;
    namespace.finish()
}

fn two_pods() -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rights"}},
        peer("rights", "client", &json!({"app": "client"}), "n1"),
        peer("rights", "server", &json!({"app": "server"}), "n2"),
    ]})
}

/// Takes the right to read NetworkPolicies from the agents.
fn without_policies(cluster: &Cluster) -> Result<()> {
    let role = cluster.get("clusterrole flow-observer")?;
    let rules = role["rules"].as_array().context("a role without rules")?;
    let of_policies = |rule: &Value| {
        rule["resources"].to_string().contains("networkpolicies")
            && rule["apiGroups"][0] == "networking.k8s.io"
    };
    let index = rules.iter().position(of_policies).context("no rule about NetworkPolicies")?;
    let patch = json!([{"op": "remove", "path": format!("/rules/{index}")}]);
    cluster.kubectl(&format!("patch clusterrole flow-observer --type=json -p={patch}")).map(drop)
}

/// Waits until every agent judges the connection of the two pods so.
fn decided(cluster: &Cluster, decision: &str) -> Result<()> {
    let wanted = format!("\"decision\":\"{decision}\"");
    for node in cluster.nodes()? {
        let ask = || {
            cluster.label_agents()?;
            cluster.ask_on(&node, &["explain", "-o", "json", "rights/client", "rights/server:8080"])
        };
        wait::until(&format!("`{decision}` from the agent on {node}"), PATIENCE, || {
            ask().ok()?.stdout.contains(&wanted).then_some(())
        })
        .with_context(|| format!("{:?}", ask()))?;
    }
    Ok(())
}

fn node_deleted(cluster: &Cluster) -> Result<()> {
    let node = cluster.nodes()?.pop().context("no node")?;
    cluster.kubectl(&format!("delete node {node}"))?;
    // The controllers forget a node's pods in rounds of 40 s and 20 s.
    wait::until("its pods to be gone", 2 * PATIENCE, || {
        let pods = cluster.list(&format!("pods -A --field-selector=spec.nodeName={node}")).ok()?;
        pods.is_empty().then_some(())
    })?;
    let answer = cluster.ask(&["findings", "--all-nodes", "-o", "json"])?;
    ensure!(answer.code == Some(0) && !answer.stderr.contains(&node), "{answer:?}");
    let expected = cluster.nodes()?.len() as f64 - 1.0;
    wait::until("the other agents to forget it", PATIENCE, || {
        (cluster.known("n1", "Node")? == expected).then_some(())
    })
    .with_context(|| format!("n1 knows {:?} nodes", cluster.known("n1", "Node")))
}
