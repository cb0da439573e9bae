//! Installing, restarting and upgrading the agents by the documented steps.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::real::{AGENTS, Cluster, DAEMONSET, Scenario, Undo, overlay};
use lab::wait;
use serde_json::Value;

/// They come early: the other scenarios need the agents.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("the_server_accepts_every_overlay_without_a_warning", Cluster::as_it_is, accepted),
    Scenario::new("the_agents_are_ready_ten_seconds_after_kubectl_apply", Cluster::as_it_is, installed),
    Scenario::new("doctor_answers_inside_a_pod", Cluster::ensure_agents, doctor),
    Scenario::new("pod_security_refuses_what_the_documents_say", Cluster::ensure_agents, security),
    Scenario::new("a_rollout_restart_replaces_every_agent", Cluster::ensure_agents, restarted),
    Scenario::new("an_image_upgrade_replaces_every_agent", Cluster::ensure_agents, upgraded),
];

/// From `kubectl apply` to three agents that are Ready.
const READY: Duration = Duration::from_secs(10);
/// The second name of the agents' image on every node.
pub(crate) const UPGRADE: &str = "localhost/flow-observer:upgrade";

fn accepted(cluster: &Cluster) -> Result<()> {
    let crds = format!("{}/fixtures/monitoring-crds.yaml", env!("CARGO_MANIFEST_DIR"));
    cluster.kubectl(&format!("apply -f {crds}"))?;
    // A dry run keeps nothing, so the namespace must exist for what is in it.
    cluster.kubectl(&format!("apply -f {}/../deploy/base/namespace.yaml", env!("CARGO_MANIFEST_DIR")))?;
    for name in ["hand-over", "k3s", "privileged", "prometheus-operator"] {
        let output = cluster
            .kubectl_command(&format!("apply --dry-run=server -k {}", overlay(name)))
            .output()
            .context("kubectl")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && stderr.is_empty(), "{name}: {stderr}");
    }
    Ok(())
}

fn installed(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&format!(
        "-n {AGENTS} delete {DAEMONSET} --ignore-not-found --cascade=foreground --timeout=60s"
    ))?;
    let began = Instant::now();
    cluster.install_agents()?;
    let took = began.elapsed();
    ensure!(took <= READY, "Ready after {took:?}");
    let agents = cluster.agents()?.len();
    ensure!(agents == cluster.nodes()?.len(), "{agents} agents");
    Ok(())
}

/// A node that shares its kernel is worth a warning of doctor; nothing is missing.
fn doctor(cluster: &Cluster) -> Result<()> {
    let printed = cluster.kubectl(&format!("-n {AGENTS} exec {DAEMONSET} -- flow-observer doctor"))?;
    let said = |start: &str| printed.lines().any(|line| line.starts_with(start));
    ensure!(said("ok    kernel ") && said("ok    BTF ") && said("The agent can run"), "{printed}");
    ensure!(said("ok    live agent "), "{printed}");
    ensure!(!said("fail") && !said("FAIL"), "{printed}");
    let nodes = cluster.nodes()?;
    let all = cluster.ask(&["doctor", "--all-nodes"])?;
    let is_ready = |node: &String| all.stdout.contains(&format!("live agent  {node}: the agent at "));
    ensure!(all.code == Some(0) && nodes.iter().all(is_ready), "{all:?}");
    Ok(())
}

/// The reasons stand in a table of `docs/PERMISSIONS.md`.
fn security(cluster: &Cluster) -> Result<()> {
    let documented = include_str!("../../../docs/PERMISSIONS.md");
    for level in ["baseline", "restricted"] {
        let label = format!("pod-security.kubernetes.io/enforce={level}");
        let output = cluster
            .kubectl_command(&format!("label --dry-run=server --overwrite namespace {AGENTS} {label}"))
            .output()?;
        let warned = String::from_utf8_lossy(&output.stderr);
        let reasons = warned.lines().find_map(|line| line.split_once("other pods): "));
        let (_, reasons) = reasons.with_context(|| format!("no reasons in {warned:?}"))?;
        ensure!(documented.contains(&format!("| `{level}` | {reasons} |")), "{level}: {warned}");
    }
    Ok(())
}

/// Changes the DaemonSet, and returns the new pods when no old one is left.
pub(crate) fn replaced(cluster: &Cluster, change: &str) -> Result<Vec<Value>> {
    let before = cluster.agents()?;
    cluster.kubectl(&format!("-n {AGENTS} {change}"))?;
    cluster.rolled_out(AGENTS, DAEMONSET)?;
    let is_new = |pod: &Value| before.iter().all(|old| old["metadata"]["name"] != pod["metadata"]["name"]);
    let now = wait::until("the old agents to be gone", wait::DEADLINE, || {
        let now = cluster.agents().ok()?;
        (now.len() == before.len() && now.iter().all(is_new)).then_some(now)
    })?;
    let answer = cluster.ask(&["findings", "--all-nodes", "-o", "json"])?;
    ensure!(answer.code == Some(0), "{answer:?}");
    Ok(now)
}

/// What ended before the restart is forgotten, which `findings` says.
fn restarted(cluster: &Cluster) -> Result<()> {
    replaced(cluster, &format!("rollout restart {DAEMONSET}"))?;
    let answer = cluster.ask(&["findings", "--all-nodes"])?;
    for node in cluster.nodes()? {
        let note = format!("node {node} remembers since ");
        ensure!(answer.stderr.contains(&note), "{answer:?}");
    }
    Ok(())
}

fn images(pods: &[Value]) -> Vec<&str> {
    pods.iter().filter_map(|pod| pod["spec"]["containers"][0]["image"].as_str()).collect()
}

fn upgraded(cluster: &Cluster) -> Result<()> {
    let before = cluster.agents()?;
    let undo = Undo::new(|| cluster.install_agents());
    let after = replaced(cluster, &format!("set image {DAEMONSET} flow-observer={UPGRADE}"))?;
    ensure!(!images(&before).contains(&UPGRADE), "it ran before: {:?}", images(&before));
    ensure!(images(&after) == vec![UPGRADE; before.len()], "{:?}", images(&after));
    undo.finish()
}
