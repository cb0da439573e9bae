//! Installing, restarting and upgrading the agents by the documented steps.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::real::{Cluster, Scenario};
use lab::wait;

/// They come first: the other scenarios need the agents.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "the_server_accepts_every_overlay_without_a_warning", run: accepted, known_fault: None },
    Scenario {
        name: "the_agents_are_ready_ten_seconds_after_kubectl_apply",
        run: installed,
        known_fault: None,
    },
    Scenario { name: "doctor_answers_inside_a_pod", run: doctor, known_fault: None },
    Scenario { name: "a_rollout_restart_replaces_every_agent", run: restarted, known_fault: None },
    Scenario { name: "an_image_upgrade_replaces_every_agent", run: upgraded, known_fault: None },
];

const NAMESPACE: &str = "flow-observer";
const DAEMONSET: &str = "daemonset/flow-observer";
/// From `kubectl apply` to three agents that are Ready.
const READY: Duration = Duration::from_secs(10);

fn overlay(name: &str) -> String {
    format!("{}/../deploy/overlays/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn accepted(cluster: &Cluster) -> Result<()> {
    let crds = format!("{}/fixtures/monitoring-crds.yaml", env!("CARGO_MANIFEST_DIR"));
    cluster.kubectl(&format!("apply -f {crds}"))?;
    // A dry run keeps nothing, so the namespace must exist for what is in it.
    cluster.kubectl(&format!("apply -f {}/../deploy/base/namespace.yaml", env!("CARGO_MANIFEST_DIR")))?;
    for name in ["k3s", "privileged", "prometheus-operator"] {
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
    let began = Instant::now();
    cluster.kubectl(&format!("apply -k {}", overlay("k3s")))?;
    cluster.rolled_out(NAMESPACE, DAEMONSET)?;
    let took = began.elapsed();
    ensure!(took <= READY, "Ready after {took:?}");
    Ok(())
}

fn doctor(cluster: &Cluster) -> Result<()> {
    let printed = cluster.kubectl(&format!("-n {NAMESPACE} exec {DAEMONSET} -- flow-observer doctor"))?;
    ensure!(printed.contains("kernel"), "{printed}");
    Ok(())
}

/// The agents' pods by name.
fn pods(cluster: &Cluster) -> Result<Vec<String>> {
    let pods = cluster.list(&format!("pods -n {NAMESPACE} -l app.kubernetes.io/name=flow-observer"))?;
    Ok(pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str()).map(str::to_owned).collect())
}

fn replaced(cluster: &Cluster, change: &str) -> Result<()> {
    let before = pods(cluster)?;
    cluster.kubectl(&format!("-n {NAMESPACE} {change}"))?;
    cluster.rolled_out(NAMESPACE, DAEMONSET)?;
    wait::until("the old agents to be gone", wait::DEADLINE, || {
        let now = pods(cluster).ok()?;
        (now.len() == before.len() && now.iter().all(|pod| !before.contains(pod))).then_some(())
    })?;
    let answer = cluster.ask(&["findings", "--all-nodes", "-o", "json"])?;
    ensure!(answer.code == Some(0), "{answer:?}");
    Ok(())
}

fn restarted(cluster: &Cluster) -> Result<()> {
    replaced(cluster, &format!("rollout restart {DAEMONSET}"))
}

fn upgraded(cluster: &Cluster) -> Result<()> {
    replaced(cluster, &format!("set image {DAEMONSET} flow-observer=localhost/flow-observer:upgrade"))?;
    cluster.kubectl(&format!("apply -k {}", overlay("k3s")))?;
    cluster.rolled_out(NAMESPACE, DAEMONSET)
}
