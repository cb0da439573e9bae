//! The address moves, as it must.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::findings::{says, summary};
use lab::real::{AGENTS, CLIENT, Cluster, DAEMONSET, Undo};
use lab::wait;
use serde_json::Value;

use super::{EXCLUDED, NAMESPACE, SOON, VIP, address, install};

/// From the first packet for an address to the name of the node that has it.
const CLAIMED: Duration = Duration::from_secs(10);

pub(super) fn deleted(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_claimant(VIP, SOON, |_| true)?;
    let moved = address::moves(cluster, VIP)?;
    let clients = address::connected(cluster, VIP)?;
    // Its daemon set starts another, which takes the address back.
    let speaker = address::speaker(cluster, &before)?;
    cluster.kubectl(&format!("-n metallb-system delete pod {speaker} --wait=false"))?;
    wait::until("the address to move", SOON, || (address::moves(cluster, VIP).ok()? > moved).then_some(()))?;
    let burst = cluster.wait_finding(NAMESPACE, ("rst_burst", "active"), SOON, |found| {
        says(&found["cause"], &["vip_move", "it moved "])
    })?;
    ensure!(summary(&burst).contains(VIP) && summary(&burst).contains("; it moved "), "{burst}");
    cluster.rolled_out("metallb-system", "daemonset/speaker")?;
    drop(clients);
    cluster.wait_claimant(VIP, SOON, |_| true).map(drop)
}

pub(super) fn drained(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_claimant(VIP, SOON, |_| true)?;
    let excluded = excluded(cluster, &before)?;
    let open = Undo::new(|| cluster.kubectl(&format!("uncordon {before}")).map(drop));
    cluster.kubectl(&format!(
        "drain {before} --ignore-daemonsets --delete-emptydir-data --force --timeout=60s"
    ))?;
    cluster.wait_claimant(VIP, SOON, |node| node != before)?;
    // The agents stay.
    cluster.ensure_agents()?;
    open.finish()?;
    excluded.finish()?;
    spread(cluster)
}

/// Excludes a node from announcing addresses.
pub(super) fn excluded<'a>(cluster: &'a Cluster, node: &'a str) -> Result<Undo<'a>> {
    let undo = Undo::new(move || cluster.kubectl(&format!("label node {node} {EXCLUDED}-")).map(drop));
    cluster.kubectl(&format!("label node {node} {EXCLUDED}=true"))?;
    Ok(undo)
}

/// One pod on each node, as in the beginning.
fn spread(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&format!("-n {NAMESPACE} rollout restart deployment/web"))?;
    cluster.rolled_out(NAMESPACE, "deployment/web")?;
    cluster.wait_claimant(VIP, SOON, |_| true)?;
    install::reachable(cluster)
}

pub(super) fn local_lost(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_claimant(VIP, SOON, |_| true)?;
    let open = Undo::new(|| cluster.kubectl(&format!("uncordon {before}")).map(drop));
    cluster.kubectl(&format!("cordon {before}"))?;
    let words = format!("-n {NAMESPACE} -l app=web --field-selector=spec.nodeName={before}");
    cluster.kubectl(&format!("delete pod {words} --wait=false"))?;
    cluster.wait_claimant(VIP, SOON, |node| node != before)?;
    open.finish()?;
    spread(cluster)
}

pub(super) fn shared(cluster: &Cluster) -> Result<()> {
    let ip = "192.0.2.205";
    let (first, before) = address::new(cluster, "first", ip)?;
    let second = Undo::new(|| cluster.kubectl(&format!("-n {NAMESPACE} delete service second")).map(drop));
    cluster.apply(&address::service("second", ip, 82))?;
    wait::until("both Services at the address", SOON, || {
        let services = cluster.vip(ip).ok()?.first()?["services"].to_string();
        (services.contains("first") && services.contains("second")).then_some(())
    })?;
    let table = cluster.ask(&["vips", "--all-nodes"])?.stdout;
    ensure!(table.contains("two-web/first") && table.contains("two-web/second"), "{table}");

    let moved = address::moves(cluster, ip)?;
    let excluded = excluded(cluster, &before)?;
    cluster.wait_claimant(ip, SOON, |node| node != before)?;
    let now = address::moves(cluster, ip)?;
    ensure!(now > moved, "{now} moves after a move, {moved} before: {:?}", cluster.vip(ip));
    excluded.finish()?;
    second.finish()?;
    first.finish()
}

/// No gratuitous ARP comes while an address stays where it is. Until something shows who has it, each agent says since when it
/// listens, and how old what MetalLB said is; a packet to the address is enough.
pub(super) fn agents_restarted(cluster: &Cluster) -> Result<()> {
    let ip = "192.0.2.206";
    let (service, node) = address::new(cluster, "quiet", ip)?;
    cluster.kubectl(&format!("-n {AGENTS} rollout restart {DAEMONSET}"))?;
    cluster.rolled_out(AGENTS, DAEMONSET)?;
    wait::until("the restarted agents to know the address", SOON, || {
        let seen = cluster.vip(ip).ok()?;
        let honest =
            |vip: &Value| vip["claimant"]["node"] == node.as_str() || vip["not_heard_since"].is_string();
        (!seen.is_empty() && seen.iter().all(honest)).then_some(())
    })
    .with_context(|| format!("{:?}", cluster.vip(ip)))?;
    cluster.on(CLIENT, &address::dial(cluster, &format!("{ip}:80")))?;
    cluster.wait_claimant(ip, CLAIMED, |claimant| claimant == node)?;
    // The scenarios that follow need the holder of the other address.
    install::reachable(cluster)?;
    cluster.wait_claimant(VIP, CLAIMED, |_| true)?;
    service.finish()
}
