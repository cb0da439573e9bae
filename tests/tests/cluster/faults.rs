//! What breaks around the agents: the API server, their rights, a node.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::real::{Cluster, PATIENCE, Scenario};
use lab::wait;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "the_api_server_is_away_for_a_minute", run: api_away, known_fault: None },
    Scenario { name: "a_missing_right_is_named", run: right_missing, known_fault: None },
];

/// It comes last: the node is gone for the rest.
pub(crate) const LAST: &[Scenario] =
    &[Scenario { name: "a_deleted_node_is_not_asked_any_more", run: node_deleted, known_fault: None }];

const AWAY: Duration = Duration::from_secs(60);
const REJECT: &str = "INPUT -p tcp --dport 6443 -j REJECT --reject-with tcp-reset";

/// A page of the agent on a node, asked on that node: the API server may be away.
fn page(cluster: &Cluster, node: &str, path: &str) -> Result<String> {
    // busybox prints the page of an error status only with -S.
    cluster.on(node, &format!("busybox wget -qO- http://127.0.0.1:9477{path} 2>&1 || true"))
}

/// How many objects of a kind the agent on a node knows.
fn known(cluster: &Cluster, node: &str, kind: &str) -> Option<u64> {
    let metrics = page(cluster, node, "/metrics").ok()?;
    let series = format!("flow_observer_cluster_objects{{kind=\"{kind}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)?.trim().parse().ok())
}

/// Whether the agent on a node has everything of a kind.
fn synced(cluster: &Cluster, node: &str, kind: &str) -> Option<bool> {
    let metrics = page(cluster, node, "/metrics").ok()?;
    let series = format!("flow_observer_cluster_synced{{kind=\"{kind}\"}} ");
    metrics.lines().find_map(|line| Some(line.strip_prefix(&series)?.trim() == "1"))
}

fn api_away(cluster: &Cluster) -> Result<()> {
    let nodes = cluster.nodes()?;
    let before = known(cluster, "n2", "Namespace").context("the agent on n2 doesn't answer")?;
    let began = Instant::now();
    cluster.on("n1", &format!("iptables -w -I {REJECT}"))?;
    let away = wait::until("every agent to notice", PATIENCE, || {
        nodes.iter().all(|node| synced(cluster, node, "Namespace") == Some(false)).then_some(())
    });
    let answers = wait::until("a minute without the API server", AWAY * 2, || {
        let alive = nodes.iter().all(|node| page(cluster, node, "/healthz").is_ok());
        (began.elapsed() >= AWAY && alive).then_some(())
    });
    cluster.on("n1", &format!("iptables -w -D {REJECT}"))?;
    away?;
    answers?;
    wait::until("the API server", PATIENCE, || cluster.kubectl("create namespace after-outage").ok())?;
    wait::until("every agent to catch up", PATIENCE, || {
        let caught_up = |node: &String| {
            known(cluster, node, "Namespace") == Some(before + 1)
                && synced(cluster, node, "Namespace") == Some(true)
        };
        nodes.iter().all(caught_up).then_some(())
    })?;
    let restarts = cluster.list("pods -n flow-observer")?;
    let restarts: Vec<_> =
        restarts.iter().map(|pod| &pod["status"]["containerStatuses"][0]["restartCount"]).collect();
    ensure!(restarts.iter().all(|count| **count == 0), "the kubelets restarted agents: {restarts:?}");
    cluster.delete_namespace("after-outage")
}

fn right_missing(cluster: &Cluster) -> Result<()> {
    let role = cluster.get("clusterrole flow-observer")?;
    let rules = role["rules"].as_array().context("a role without rules")?;
    let index = rules
        .iter()
        .position(|rule| {
            rule["resources"].to_string().contains("networkpolicies")
                && rule["apiGroups"][0] == "networking.k8s.io"
        })
        .context("no rule about NetworkPolicies")?;
    cluster.kubectl(&format!(
        "patch clusterrole flow-observer --type=json -p=[{{\"op\":\"remove\",\"path\":\"/rules/{index}\"}}]"
    ))?;
    let named = cluster.kubectl("-n flow-observer rollout restart daemonset/flow-observer").and_then(|_| {
        wait::until("an agent that names what is missing", PATIENCE, || {
            let ready = page(cluster, "n1", "/readyz").ok()?;
            let log = cluster
                .kubectl("-n flow-observer logs -l app.kubernetes.io/name=flow-observer --tail=200")
                .ok()?;
            (log.contains("networkpolicies") && !ready.is_empty()).then_some(())
        })
    });
    let manifest = format!("{}/../deploy/overlays/k3s", env!("CARGO_MANIFEST_DIR"));
    cluster.kubectl(&format!("apply -k {manifest}"))?;
    cluster.rolled_out("flow-observer", "daemonset/flow-observer")?;
    named
}

fn node_deleted(cluster: &Cluster) -> Result<()> {
    let node = cluster.nodes()?.pop().context("no node")?;
    cluster.kubectl(&format!("delete node {node}"))?;
    wait::until("its pods to be gone", PATIENCE, || {
        let pods = cluster.list(&format!("pods -A --field-selector=spec.nodeName={node}")).ok()?;
        pods.is_empty().then_some(())
    })?;
    let answer = cluster.ask(&["findings", "--all-nodes", "-o", "json"])?;
    ensure!(answer.code == Some(0) && !answer.stderr.contains(&node), "{answer:?}");
    let left = known(cluster, "n1", "Node");
    ensure!(left == Some(cluster.nodes()?.len() as u64 - 1), "n1 knows {left:?} nodes");
    Ok(())
}
