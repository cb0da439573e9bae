//! MetalLB's objects say otherwise than the wire, or nothing. Each scenario has an address of its own: MetalLB leaves
//! wrong objects behind when an address has moved often.

use anyhow::{Context as _, Result, bail, ensure};
use lab::findings::{says, summary};
use lab::real::{CLIENT, Cluster, Undo};
use lab::wait;
use serde_json::{Value, json};

use super::{NAMESPACE, SOON, address};

/// Sends a signal to the speaker on a node.
fn signal(cluster: &Cluster, node: &str, signal: &str) -> Result<()> {
    cluster.on(node, &format!("pkill -{signal} -x speaker")).map(drop)
}

/// While a speaker stands still, the others take over; when it goes on, it believes that the address is its own.
pub(super) fn split_brain(cluster: &Cluster) -> Result<()> {
    let ip = "192.0.2.206";
    let (service, before) = address::new(cluster, "stopped", ip)?;
    let going_on = Undo::new(|| signal(cluster, &before, "CONT"));
    signal(cluster, &before, "STOP")?;
    cluster.wait_claimant(ip, SOON, |node| node != before)?;
    going_on.finish()?;
    let by_event =
        address::wait_conflict(cluster, ip, "active", |found| says(&found["summary"], &["Event two-web/"]));
    if let Ok(conflict) = by_event {
        bail!("an Event is no claim: {conflict}");
    }
    // The frames of both crossed: each node knows which came last to itself.
    let seen = cluster.vip(ip)?;
    let is_named = |vip: &Value| vip["claimant"]["node"].is_string() && vip["claimant"]["received"].is_null();
    ensure!(!seen.is_empty() && seen.iter().all(is_named), "{seen:?}");
    ensure!(seen.iter().any(|vip| vip["moves"].as_u64() > Some(0)), "{seen:?}");
    service.finish()
}

/// The status objects of a Service.
fn statuses(cluster: &Cluster, service: &str) -> Result<Vec<Value>> {
    let statuses = cluster.list("servicel2statuses -n metallb-system")?;
    Ok(statuses.into_iter().filter(|status| status["status"]["serviceName"] == service).collect())
}

/// Takes the right to create status objects from the speakers.
fn without_create(cluster: &Cluster) -> Result<Undo<'_>> {
    let role = "clusterrole metallb-system:speaker";
    let rules = cluster.get(role)?["rules"].take();
    let rules = rules.as_array().context("a role without rules")?;
    let of_status = |rule: &Value| rule["resources"].to_string().contains("servicel2statuses");
    let index = rules.iter().position(of_status).context("no rule about statuses")?;
    let before = rules[index]["verbs"].clone();
    let patch = move |verbs: &Value| {
        let patch = json!([{"op": "replace", "path": format!("/rules/{index}/verbs"), "value": verbs}]);
        cluster.kubectl(&format!("patch {role} --type=json -p={patch}")).map(drop)
    };
    patch(&json!(["get", "list", "watch", "update", "patch", "delete"]))?;
    Ok(Undo::new(move || patch(&before)))
}

pub(super) fn status_missing(cluster: &Cluster) -> Result<()> {
    let ip = "192.0.2.207";
    let (service, node) = address::new(cluster, "silent", ip)?;
    let right = without_create(cluster)?;
    let status = statuses(cluster, "silent")?.into_iter().next().context("MetalLB has no status")?;
    let name = status["metadata"]["name"].as_str().context("a status without a name")?;
    cluster.kubectl(&format!("-n metallb-system delete servicel2status {name}"))?;
    // What nobody answers for may be withdrawn.
    let asking =
        cluster.start(CLIENT, "sh", &["-c", &format!("while sleep 1; do {}; done", ask(cluster, ip))])?;
    let found = address::wait_conflict(cluster, ip, "active", |found| {
        says(&found["summary"], &["no ServiceL2Status", &node])
    });
    drop(asking);
    ensure!(statuses(cluster, "silent")?.is_empty(), "MetalLB has a status again");
    cluster.findings(NAMESPACE).context("the agents don't answer")?;
    found.context("nobody said that the status is missing")?;
    right.finish()?;
    service.finish()
}

/// The status that sticks: its speaker doesn't change the node that it names.
pub(super) fn status_wrong(cluster: &Cluster) -> Result<()> {
    let ip = "192.0.2.208";
    let (service, node) = address::new(cluster, "wrong", ip)?;
    let other = cluster.nodes()?.into_iter().find(|other| *other != node).context("only one node")?;
    let undo = Undo::new(|| {
        cluster.kubectl("-n metallb-system delete servicel2status l2-stuck --ignore-not-found").map(drop)
    });
    // Without MetalLB's labels, so that its speakers leave it alone.
    let stuck = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "ServiceL2Status",
        "metadata": {"name": "l2-stuck", "namespace": "metallb-system"}, "spec": {},
    });
    cluster.apply(&stuck.to_string())?;
    let status = json!({"status": {"node": other, "serviceName": "wrong", "serviceNamespace": NAMESPACE}});
    cluster.kubectl(&format!(
        "-n metallb-system patch servicel2status l2-stuck --subresource=status --type=merge -p={status}"
    ))?;
    answered_afresh(cluster, ip)?;
    let found = address::wait_conflict(cluster, ip, "active", |found| {
        says(&found["summary"], &["l2-stuck", &format!("{node} announces it"), "mends it"])
    })?;
    let remedy = "kubectl delete servicel2status.metallb.io l2-stuck -n metallb-system";
    ensure!(summary(&found).contains(&other) && summary(&found).contains(remedy), "{found}");
    undo.finish()?;
    address::wait_conflict(cluster, ip, "resolved", |_| true)?;
    service.finish()
}

/// Lets a host ask who has the address, so that the wire speaks after MetalLB's object.
fn answered_afresh(cluster: &Cluster, ip: &str) -> Result<()> {
    wait::until("the address to answer", SOON, || cluster.on(CLIENT, &ask(cluster, ip)).ok()).map(drop)
}

fn ask(cluster: &Cluster, ip: &str) -> String {
    format!("ip neigh flush to {ip}; {}", address::dial(cluster, &format!("{ip}:80")))
}
