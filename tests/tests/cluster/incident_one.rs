//! Incident one: a policy loses a namespace, and open connections hide it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::findings::{says, summary};
use lab::real::{Cluster, Finding, Monitor, PATIENCE, Scenario};
use lab::wait;
use serde_json::Value;

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "a_policy_loses_a_namespace_and_open_connections_hide_it",
    run: incident,
    known_fault: None,
}];

const MANIFEST: &str = include_str!("manifests/postgres.yaml");
const POLICY: &str = include_str!("manifests/policy.yaml");
const APPS: &str = "one-apps";
/// From the change to the finding.
const SOON: Duration = Duration::from_secs(5);

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
    cluster.apply(MANIFEST)?;
    cluster.apply(&policy(APPS))?;
    cluster.rolled_out("one-db", "statefulset/postgres")?;
    cluster.rolled_out(APPS, "deployment/web")?;
    let monitor = Monitor::start(cluster)?;
    connected(cluster)?;

    change(cluster, "one-other")?;
    let latent = cluster.wait_finding(APPS, ("latent_denial", "active"), SOON, |_| true)?;
    ensure!(
        summary(&latent).contains("one-apps/web has ") && summary(&latent).contains("open connection"),
        "{latent}"
    );
    ensure!(
        says(&latent["cause"]["text"], &["one-db/postgres", "OpenTofu"])
            || text(&latent).contains("OpenTofu"),
        "{latent}"
    );
    monitor.wait_alert("FlowObserverLatentDenial", true)?;

    cluster.kubectl(&format!("-n {APPS} delete pod -l app=web --wait=false"))?;
    let denied = cluster.wait_finding(APPS, ("policy_denied", "active"), PATIENCE, |_| true)?;
    ensure!(summary(&denied).contains("one-apps/web can't reach one-db/postgres"), "{denied}");
    ensure!(text(&denied).contains("one-db/postgres"), "{denied}");
    event_on_client(cluster)?;
    monitor.wait_alert("FlowObserverPolicyDenied", true)?;

    change(cluster, APPS)?;
    for kind in ["latent_denial", "policy_denied"] {
        cluster.wait_finding(APPS, (kind, "resolved"), PATIENCE, |_| true)?;
        let active =
            cluster.findings(APPS)?.into_iter().find(|f| f["kind"] == kind && f["state"] == "active");
        ensure!(active.is_none(), "{active:?}");
    }
    for name in ["FlowObserverLatentDenial", "FlowObserverPolicyDenied"] {
        monitor.wait_alert(name, false)?;
    }
    ["one-db", APPS, "one-other"].into_iter().try_for_each(|namespace| cluster.delete_namespace(namespace))
}

/// Waits until both clients have their connection.
fn connected(cluster: &Cluster) -> Result<()> {
    wait::until("both clients to be connected", PATIENCE, || {
        let logs = cluster.kubectl(&format!("-n {APPS} logs -l app=web --prefix --tail=1")).ok()?;
        (logs.matches("connected from").count() == 2).then_some(())
    })
}

/// `kubectl describe pod` of a client explains the refusal.
fn event_on_client(cluster: &Cluster) -> Result<()> {
    let event = wait::until("an Event on a client", PATIENCE, || {
        let events = cluster.list(&format!("events -n {APPS} --field-selector reason=PolicyDenied")).ok()?;
        events.into_iter().next()
    })?;
    ensure!(event["type"] == "Warning" && event["involvedObject"]["kind"] == "Pod", "{event}");
    let pod = event["involvedObject"]["name"].as_str().context("an Event on no object")?;
    let described = cluster.kubectl(&format!("-n {APPS} describe pod {pod}"))?;
    ensure!(described.contains("PolicyDenied") && described.contains("one-db/postgres"), "{described}");
    Ok(())
}

/// All that a finding says.
fn text(finding: &Finding) -> String {
    let Value::Object(_) = finding else { return String::new() };
    finding.to_string()
}
