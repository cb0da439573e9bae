//! Incident two: a load-balancer address changes nodes, and what that does to connections.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::findings::summary;
use lab::real::{CLIENT, Cluster, KnownFault, PATIENCE, Scenario};
use lab::wait;
use serde_json::Value;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "metallb_is_added_after_the_agents_and_its_address_is_known",
        run: added,
        known_fault: None,
    },
    Scenario {
        name: "the_announcing_speaker_is_deleted_and_the_address_moves",
        run: deleted,
        known_fault: None,
    },
    Scenario { name: "an_excluded_and_drained_node_gives_its_address_away", run: drained, known_fault: None },
    Scenario {
        name: "the_last_local_pod_leaves_and_the_address_follows",
        run: local_lost,
        known_fault: None,
    },
    Scenario { name: "two_services_share_an_address", run: shared, known_fault: None },
    Scenario { name: "a_speaker_stops_and_continues", run: split_brain, known_fault: Some(EVENT_AS_CLAIM) },
    Scenario {
        name: "metallb_says_nothing_of_who_announces",
        run: status_missing,
        known_fault: Some(MISSING_STATUS),
    },
];

const EVENT_AS_CLAIM: KnownFault = KnownFault { name: "F8", shows: "an Event is no claim" };
const MISSING_STATUS: KnownFault =
    KnownFault { name: "F8", shows: "a finding vip_conflict (active) of two-web" };

const WEB: &str = include_str!("manifests/web.yaml");
const POOL: &str = include_str!("manifests/pool.yaml");
const NAMESPACE: &str = "two-web";
const VIP: &str = "192.0.2.200";
/// A move is seen in gratuitous ARP at once; MetalLB's members need some seconds to agree.
const SOON: Duration = Duration::from_secs(30);
const SPEAKERS: &str = "-n metallb-system -l component=speaker";

fn added(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&format!("apply -f {}/metallb.yaml", cluster.dir().display()))?;
    cluster.rolled_out("metallb-system", "deployment/controller")?;
    cluster.rolled_out("metallb-system", "daemonset/speaker")?;
    // The webhook answers some time after its pod is Ready.
    wait::until("MetalLB's webhook", PATIENCE, || cluster.apply(POOL).ok())?;
    cluster.apply(WEB)?;
    cluster.rolled_out(NAMESPACE, "deployment/web")?;
    // It may move at first, as its backends become ready one after the other.
    wait::until("one node by ARP and by MetalLB's own word", PATIENCE, || {
        let node = cluster.wait_claimant(VIP, PATIENCE, |_| true).ok()?;
        (api_node(&cluster.vip(VIP).ok()?)? == node).then_some(())
    })?;
    reachable(cluster)
}

/// The node that MetalLB's status names, as the agents report it.
fn api_node(seen: &[Value]) -> Option<String> {
    let claims = seen.first()?["api"].as_array()?;
    let status = claims.iter().find(|claim| claim["object"].to_string().contains("ServiceL2Status"));
    status.or_else(|| claims.first())?["node"].as_str().map(str::to_owned)
}

fn reachable(cluster: &Cluster) -> Result<()> {
    let dial = format!("{}/bin/peer dial {VIP}:80", cluster.dir().display());
    wait::until("the address to answer", SOON, || cluster.on(CLIENT, &dial).ok()).map(drop)
}

fn speaker(cluster: &Cluster, node: &str) -> Result<String> {
    let pods = cluster.list(&format!("pods {SPEAKERS} --field-selector=spec.nodeName={node}"))?;
    let name = pods.iter().find_map(|pod| pod["metadata"]["name"].as_str());
    name.map(str::to_owned).with_context(|| format!("no speaker on {node}"))
}

fn moves(cluster: &Cluster) -> Result<u64> {
    Ok(cluster.vip(VIP)?.iter().filter_map(|vip| vip["moves"].as_u64()).max().unwrap_or(0))
}

fn deleted(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_claimant(VIP, SOON, |_| true)?;
    let moved = moves(cluster)?;
    let clients: Result<Vec<_>> = (0..8).map(|_| cluster.hold(&format!("{VIP}:80"))).collect();
    let clients = clients?;
    wait::until("eight open connections", SOON, || {
        clients.iter().all(|client| client.log().contains("connected from")).then_some(())
    })?;
    // Its daemon set starts another, which takes the address back.
    cluster.kubectl(&format!("-n metallb-system delete pod {} --wait=false", speaker(cluster, &before)?))?;
    wait::until("the address to move", SOON, || (moves(cluster).ok()? > moved).then_some(()))?;
    let burst = cluster.wait_finding(NAMESPACE, ("rst_burst", "active"), SOON, |_| true)?;
    ensure!(burst.to_string().contains(VIP) && burst.to_string().contains("move"), "{burst}");
    cluster.rolled_out("metallb-system", "daemonset/speaker")?;
    drop(clients);
    cluster.wait_claimant(VIP, SOON, |_| true).map(drop)
}

fn drained(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_claimant(VIP, SOON, |_| true)?;
    let label = "node.kubernetes.io/exclude-from-external-load-balancers";
    cluster.kubectl(&format!("label node {before} {label}=true"))?;
    let drain = format!("drain {before} --ignore-daemonsets --delete-emptydir-data --force --timeout=60s");
    let drained =
        cluster.kubectl(&drain).and_then(|_| cluster.wait_claimant(VIP, SOON, |node| node != before));
    let agents = cluster.rolled_out("flow-observer", "daemonset/flow-observer");
    cluster.kubectl(&format!("uncordon {before}"))?;
    cluster.kubectl(&format!("label node {before} {label}-"))?;
    drained?;
    agents?;
    spread(cluster)
}

/// One pod on each node, as in the beginning.
fn spread(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&format!("-n {NAMESPACE} rollout restart deployment/web"))?;
    cluster.rolled_out(NAMESPACE, "deployment/web")?;
    cluster.wait_claimant(VIP, SOON, |_| true)?;
    reachable(cluster)
}

fn local_lost(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_claimant(VIP, SOON, |_| true)?;
    cluster.kubectl(&format!("cordon {before}"))?;
    let words = format!("-n {NAMESPACE} -l app=web --field-selector=spec.nodeName={before}");
    let moved = cluster
        .kubectl(&format!("delete pod {words} --wait=false"))
        .and_then(|_| cluster.wait_claimant(VIP, SOON, |node| node != before));
    cluster.kubectl(&format!("uncordon {before}"))?;
    moved?;
    spread(cluster)
}

fn shared(cluster: &Cluster) -> Result<()> {
    for name in ["first", "second"] {
        let port = if name == "first" { 81 } else { 82 };
        cluster.apply(&format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: {NAMESPACE}\n  \
             annotations: {{metallb.io/allow-shared-ip: both, metallb.io/loadBalancerIPs: 192.0.2.205}}\n\
             spec: {{type: LoadBalancer, selector: {{app: web}}, ports: [{{port: {port}, targetPort: http}}]}}\n"
        ))?;
    }
    cluster.wait_claimant("192.0.2.205", SOON, |_| true)?;
    let services = wait::until("both Services at the address", SOON, || {
        let services = cluster.vip("192.0.2.205").ok()?.first()?["services"].to_string();
        (services.contains("first") && services.contains("second")).then_some(services)
    });
    let table = cluster.ask(&["vips", "--all-nodes"])?.stdout;
    cluster.kubectl(&format!("-n {NAMESPACE} delete service first second"))?;
    services?;
    ensure!(table.contains("two-web/first") && table.contains("two-web/second"), "{table}");
    Ok(())
}

/// The process of the speaker on a node.
fn signal_speaker(cluster: &Cluster, node: &str, signal: &str) -> Result<()> {
    cluster.on(node, &format!("pkill -{signal} -x speaker")).map(drop)
}

/// While it stands still, the others take over; when it goes on, it believes that the address is its own.
fn split_brain(cluster: &Cluster) -> Result<()> {
    let before = cluster.wait_claimant(VIP, SOON, |_| true)?;
    signal_speaker(cluster, &before, "STOP")?;
    let moved = cluster.wait_claimant(VIP, SOON, |node| node != before);
    signal_speaker(cluster, &before, "CONT")?;
    let after = moved.and_then(|_| cluster.wait_claimant(VIP, SOON, |_| true));
    let conflict = cluster.wait_finding(NAMESPACE, ("vip_conflict", "active"), SOON, |_| true);
    cluster.kubectl("-n metallb-system rollout restart daemonset/speaker")?;
    cluster.rolled_out("metallb-system", "daemonset/speaker")?;
    after?;
    let conflict = conflict?;
    ensure!(!summary(&conflict).contains("Event says"), "an Event is no claim: {conflict}");
    cluster.wait_finding(NAMESPACE, ("vip_conflict", "resolved"), SOON, |_| true).map(drop)
}

fn statuses(cluster: &Cluster) -> Result<Vec<Value>> {
    let statuses = cluster.list("servicel2statuses -n metallb-system")?;
    Ok(statuses.into_iter().filter(|status| status["status"]["serviceName"] == "web").collect())
}

fn status_missing(cluster: &Cluster) -> Result<()> {
    // The controllers write it again, unless they are away.
    cluster.wait_claimant(VIP, SOON, |_| true)?;
    let status = statuses(cluster)?.into_iter().next().context("MetalLB has no status")?;
    let name = status["metadata"]["name"].as_str().context("a status without a name")?;
    cluster.kubectl(&format!("-n metallb-system delete servicel2status {name}"))?;
    let found = cluster.wait_finding(NAMESPACE, ("vip_conflict", "active"), SOON, |found| {
        found.to_string().contains("no ServiceL2Status")
    });
    cluster.kubectl("-n metallb-system rollout restart daemonset/speaker")?;
    cluster.rolled_out("metallb-system", "daemonset/speaker")?;
    found.map(drop)
}
