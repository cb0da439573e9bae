//! Incident one: a policy loses a namespace, and open connections hide it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::findings::{says, summary};
use lab::real::{Cluster, Finding, KnownFault, Monitor, PATIENCE, Scenario};
use lab::wait;
use serde_json::Value;

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario::new(
    "a_policy_loses_a_namespace_and_open_connections_hide_it",
    Cluster::ensure_agents,
    incident,
)
.known_to_fail(COUNTED_APART)];

const COUNTED_APART: KnownFault = KnownFault { name: "F5", shows: "two connections are not one finding" };

const MANIFEST: &str = include_str!("manifests/postgres.yaml");
const POLICY: &str = include_str!("manifests/policy.yaml");
const NAMESPACES: [&str; 3] = ["one-db", APPS, "one-other"];
const APPS: &str = "one-apps";
const RULE: &str = "one-db/admit-clients";
/// From the change to the finding.
const SOON: Duration = Duration::from_secs(5);

/// The workloads, with a Service whose port is not the database's own.
fn workloads() -> String {
    let service = MANIFEST.replace("{port: 5432, targetPort: pg}", "{port: 6432, targetPort: pg}");
    service.replace("10.43.0.50:5432", "10.43.0.50:6432")
}

fn policy(admitted: &str) -> String {
    POLICY.replace("ADMITTED", admitted)
}

/// Applies the policy as Terraform's Kubernetes provider would: by its own name.
fn change(cluster: &Cluster, admitted: &str) -> Result<()> {
    cluster
        .feed("apply --server-side --force-conflicts --field-manager=OpenTofu -f -", &policy(admitted))
        .map(drop)
}

fn incident(cluster: &Cluster) -> Result<()> {
    let namespaces = cluster.temporary(&NAMESPACES);
    cluster.apply(&workloads())?;
    cluster.apply(&policy(APPS))?;
    cluster.rolled_out("one-db", "statefulset/postgres")?;
    cluster.rolled_out(APPS, "deployment/web")?;
    let monitor = Monitor::start(cluster)?;
    let clients = connected(cluster)?;

    change(cluster, "one-other")?;
    let counted = latent(cluster, &clients)?;
    monitor.wait_alert("FlowObserverLatentDenial", true)?;

    // The other client stays, so that only the fix can end the latent denial.
    let [restarted, stays] = &clients[..] else { anyhow::bail!("two clients expected: {clients:?}") };
    cluster.kubectl(&format!("-n {APPS} delete pod {restarted} --wait=false"))?;
    denied(cluster, &clients)?;
    monitor.wait_alert("FlowObserverPolicyDenied", true)?;
    cluster.wait_finding(APPS, ("latent_denial", "active"), SOON, |_| true)?;

    change(cluster, APPS)?;
    ended(cluster)?;
    let log = cluster.kubectl(&format!("-n {APPS} logs {stays}"))?;
    ensure!(log.matches("connected from").count() == 1, "{stays} lost its connection: {log}");
    for name in ["FlowObserverLatentDenial", "FlowObserverPolicyDenied"] {
        monitor.wait_alert(name, false)?;
    }
    namespaces.finish()?;
    counted
}

/// Waits until both clients have their connection, and returns the names of their pods.
fn connected(cluster: &Cluster) -> Result<Vec<String>> {
    wait::until("both clients to be connected", PATIENCE, || {
        let logs = cluster.kubectl(&format!("-n {APPS} logs -l app=web --prefix --tail=1")).ok()?;
        (logs.matches("connected from").count() == 2).then_some(())
    })?;
    let pods = cluster.list(&format!("pods -n {APPS} -l app=web"))?;
    Ok(pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str()).map(str::to_owned).collect())
}

/// The change is told at once, with who made it, and on the clients. Returns whether both connections were counted
/// together.
fn latent(cluster: &Cluster, clients: &[String]) -> Result<Result<()>> {
    let found = cluster.wait_finding(APPS, ("latent_denial", "active"), SOON, |_| true)?;
    ensure!(says(&found["summary"], &["one-apps/web has ", "open connection", RULE]), "{found}");
    ensure!(says(&found["cause"], &[RULE, "OpenTofu"]), "{found}");
    event(cluster, "LatentDenial", |pod| clients.iter().any(|client| client == pod))?;
    Ok(counted_together(cluster))
}

fn counted_together(cluster: &Cluster) -> Result<()> {
    let latent = || -> Result<Vec<Finding>> {
        let all = cluster.findings(APPS)?;
        Ok(all.into_iter().filter(|found| found["kind"] == "latent_denial").collect())
    };
    wait::until("one finding", SOON, || match &latent().ok()?[..] {
        [one] => summary(one).contains("has 2 open connections to one-db/postgres").then_some(()),
        _ => None,
    })
    .with_context(|| format!("two connections are not one finding: {:?}", latent()))
}

/// The restarted client is refused; the finding and an Event on the new pod say by which policy.
fn denied(cluster: &Cluster, before: &[String]) -> Result<()> {
    let denied = cluster.wait_finding(APPS, ("policy_denied", "active"), PATIENCE, |found| {
        says(&found["cause"], &[RULE, "OpenTofu"])
    })?;
    ensure!(says(&denied["summary"], &["one-apps/web can't reach one-db/postgres", RULE]), "{denied}");
    let pod = event(cluster, "PolicyDenied", |pod| !before.iter().any(|old| old == pod))?;
    let described = cluster.kubectl(&format!("-n {APPS} describe pod {pod}"))?;
    ensure!(described.contains("PolicyDenied") && described.contains(RULE), "{described}");
    Ok(())
}

/// Waits for an Event on a pod that is meant, and returns the pod's name. All Events of that kind are about clients and
/// their policy.
fn event(cluster: &Cluster, reason: &str, meant: impl Fn(&str) -> bool) -> Result<String> {
    let events = || cluster.list(&format!("events -n {APPS} --field-selector reason={reason}"));
    let on = |event: &Value| event["involvedObject"]["name"].as_str().unwrap_or_default().to_owned();
    let pod = wait::until(&format!("an Event {reason}"), PATIENCE, || {
        events().ok()?.iter().map(on).find(|pod| meant(pod))
    })
    .with_context(|| format!("{:?}", events()))?;
    for event in events()? {
        let (on, related) = (&event["involvedObject"], &event["related"]);
        ensure!(event["type"] == "Warning" && on["kind"] == "Pod" && on["namespace"] == APPS, "{event}");
        ensure!(related["kind"] == "NetworkPolicy" && related["name"] == "admit-clients", "{event}");
    }
    Ok(pod)
}

/// The fix ends both findings.
fn ended(cluster: &Cluster) -> Result<()> {
    for kind in ["latent_denial", "policy_denied"] {
        cluster.wait_finding(APPS, (kind, "resolved"), PATIENCE, |_| true)?;
    }
    wait::until("no active finding", SOON, || {
        let all = cluster.findings(APPS).ok()?;
        all.iter().all(|found| found["state"] != "active").then_some(())
    })
    .with_context(|| format!("{:?}", cluster.findings(APPS)))
}
