//! One address of MetalLB, as the wire, MetalLB and the agents have it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use lab::findings::{says, summary};
use lab::real::{Cluster, Finding, Process, Undo};
use lab::wait;
use serde_json::Value;

use super::{NAMESPACE, SOON, SPEAKERS};

/// MetalLB repeats an announcement every 1.1 s for 5 s (`internal/layer2/announcer.go`).
const REPEATS: SignedDuration = SignedDuration::from_secs(3);

/// Waits until the agents see one node announce the address, and MetalLB's status names it too; returns its name. A status
/// that sticks (<https://github.com/metallb/metallb/issues/2930>) is mended as the agents say.
fn agreed(cluster: &Cluster, ip: &str) -> Result<String> {
    agree(cluster, ip).or_else(|disagreement| {
        mend(cluster, ip).context(disagreement)?;
        agree(cluster, ip)
    })
}

fn agree(cluster: &Cluster, ip: &str) -> Result<String> {
    wait::until(&format!("one node of {ip} by ARP and by MetalLB's status"), SOON, || {
        let node = cluster.wait_claimant(ip, Duration::ZERO, |_| true).ok()?;
        (status_node(&cluster.vip(ip).ok()?)? == node).then_some(node)
    })
    .with_context(|| format!("{:?}", cluster.vip(ip)))
}

/// Runs the command that a conflict names, if its object really names another node.
fn mend(cluster: &Cluster, ip: &str) -> Result<()> {
    let conflict = wait_conflict(cluster, ip, "active", |found| {
        says(&found["summary"], &["ServiceL2Status", "mends it"])
    })?;
    let remedy = summary(&conflict).split('`').find_map(|part| part.strip_prefix("kubectl "));
    let remedy = remedy.with_context(|| format!("no command in {conflict}"))?;
    let object = remedy.strip_prefix("delete ").with_context(|| format!("`{remedy}` deletes nothing"))?;
    let named = cluster.get(object)?["status"]["node"].take();
    let claimant = cluster.wait_claimant(ip, SOON, |_| true)?;
    ensure!(named != claimant.as_str(), "{object} names {claimant} as well: {conflict}");
    cluster.kubectl(remedy).map(drop)
}

/// The node that MetalLB's status names, as the agents report it.
fn status_node(seen: &[Value]) -> Option<String> {
    let claims = seen.first()?["api"].as_array()?;
    let status = claims.iter().find(|claim| claim["source"] == "l2status")?;
    status["node"].as_str().map(str::to_owned)
}

/// Waits until one node has announced the address, and repeats that no more; returns its name. A node that loses the address
/// while it still repeats may do so once after the other's first announcement, and that is two moves more.
pub(super) fn settled(cluster: &Cluster, ip: &str) -> Result<String> {
    wait::until(&format!("{ip} to be announced no more"), SOON, || {
        let node = cluster.wait_claimant(ip, Duration::ZERO, |_| true).ok()?;
        let quiet = |vip: &Value| {
            let last: Timestamp = vip["claimant"]["last_seen"].as_str()?.parse().ok()?;
            Some(Timestamp::now().duration_since(last) > REPEATS)
        };
        cluster.vip(ip).ok()?.iter().all(|vip| quiet(vip) == Some(true)).then_some(node)
    })
    .with_context(|| format!("{:?}", cluster.vip(ip)))
}

/// The number of moves that the agents report.
pub(super) fn moves(cluster: &Cluster, ip: &str) -> Result<u64> {
    Ok(cluster.vip(ip)?.iter().filter_map(|vip| vip["moves"].as_u64()).max().unwrap_or(0))
}

/// A command of the LAN client that connects once.
pub(super) fn dial(cluster: &Cluster, address: &str) -> String {
    format!("{}/bin/peer dial {address}", cluster.dir().display())
}

/// Adds a Service with an address of its own, which has no history yet and any node may announce. Returns the node that
/// announces it.
pub(super) fn new<'a>(cluster: &'a Cluster, name: &'a str, ip: &str) -> Result<(Undo<'a>, String)> {
    let undo = Undo::new(move || cluster.kubectl(&format!("-n {NAMESPACE} delete service {name}")).map(drop));
    cluster.apply(&service(name, ip, 80))?;
    let node = agreed(cluster, ip)?;
    Ok((undo, node))
}

/// A Service at this address, which others may share.
pub(super) fn service(name: &str, ip: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: {NAMESPACE}\n  \
         annotations: {{metallb.io/allow-shared-ip: both, metallb.io/loadBalancerIPs: {ip}}}\n\
         spec: {{type: LoadBalancer, selector: {{app: web}}, ports: [{{port: {port}, targetPort: http}}]}}\n"
    )
}

/// Waits for a `vip_conflict` of the address in this state that `wanted` accepts.
pub(super) fn wait_conflict(
    cluster: &Cluster,
    ip: &str,
    state: &str,
    wanted: impl Fn(&Finding) -> bool,
) -> Result<Finding> {
    cluster
        .wait_finding(NAMESPACE, ("vip_conflict", state), SOON, |found| found["vip"] == ip && wanted(found))
}

/// The name of the speaker's pod on a node.
pub(super) fn speaker(cluster: &Cluster, node: &str) -> Result<String> {
    let pods = cluster.list(&format!("pods {SPEAKERS} --field-selector=spec.nodeName={node}"))?;
    let name = pods.iter().find_map(|pod| pod["metadata"]["name"].as_str());
    name.map(str::to_owned).with_context(|| format!("no speaker on {node}"))
}

/// Eight clients with an open connection each.
pub(super) fn connected(cluster: &Cluster, ip: &str) -> Result<Vec<Process>> {
    let clients: Vec<_> = (0..8).map(|_| cluster.hold(&format!("{ip}:80"))).collect::<Result<_>>()?;
    wait::until("eight open connections", SOON, || {
        clients.iter().all(|client| client.log().contains("connected from")).then_some(())
    })?;
    Ok(clients)
}
