//! Nodes that share one kernel, as those of kind, k3d and this cluster do.

use anyhow::{Context as _, Result, ensure};
use lab::real::{Cluster, PATIENCE, Scenario, Undo, peer};
use lab::wait;
use serde_json::{Value, json};

pub(crate) const SCENARIOS: &[Scenario] =
    &[Scenario::new("nodes_of_one_kernel_report_only_their_own_drops", Cluster::ensure_agents, own_drops)];

const NAMESPACE: &str = "kernel";
const NODE: &str = "n1";
const TRIES: usize = 10;
/// The kernel's limit for answers to one host.
const LIMIT: &str = "/proc/sys/net/ipv4/icmp_ratelimit";

/// A server on the first node, which a policy closes, and a client beside it.
fn manifest() -> Value {
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "closed", "namespace": NAMESPACE},
        "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        peer(NAMESPACE, "server", &json!({"app": "server"}), NODE),
        peer(NAMESPACE, "client", &json!({"app": "client"}), NODE),
        policy,
    ]})
}

fn own_drops(cluster: &Cluster) -> Result<()> {
    let namespace = cluster.temporary(&[NAMESPACE]);
    let limited = answers_to_every_syn(cluster)?;
    cluster.apply(&manifest().to_string())?;
    cluster.kubectl(&format!("-n {NAMESPACE} wait --for=condition=Ready pod --all --timeout=60s"))?;
    let server = cluster.get(&format!("pod -n {NAMESPACE} server"))?;
    let address = server["status"]["podIP"].as_str().context("the server has no address")?;
    let dial = format!("-n {NAMESPACE} exec client -- /peer dial {address}:8080");
    wait::until("the policy to be enforced", PATIENCE, || cluster.kubectl(&dial).err())?;
    let before = wait::until("the first drop", PATIENCE, || {
        let count = drops(cluster).ok()?.len();
        (count > 0).then_some(count)
    })?;
    for _ in 0..TRIES {
        ensure!(cluster.kubectl(&dial).is_err(), "the policy admits a connection");
    }
    let found = wait::until("the drops", PATIENCE, || {
        let found = drops(cluster).ok()?;
        (found.len() >= before + TRIES).then_some(found)
    })?;
    let elsewhere: Vec<&Value> = found.iter().filter(|drop| drop["node"] != NODE).collect();
    ensure!(elsewhere.is_empty(), "other nodes report them too: {elsewhere:?}");
    ensure!(found.len() == before + TRIES, "{} drops of {TRIES} tries: {found:?}", found.len() - before);
    limited.finish()?;
    namespace.finish()
}

/// Lets the node reject every SYN. The kernel answers a host only once a second after the first few; a client then
/// repeats its SYN, and there are more drops than tries.
fn answers_to_every_syn(cluster: &Cluster) -> Result<Undo<'_>> {
    let limit = cluster.on(NODE, &format!("cat {LIMIT}; echo 0 > {LIMIT}"))?;
    let restore = format!("echo {} > {LIMIT}", limit.trim());
    Ok(Undo::new(move || cluster.on(NODE, &restore).map(drop)))
}

fn drops(cluster: &Cluster) -> Result<Vec<Value>> {
    cluster.values(&["tail", "--namespace", NAMESPACE, "--kind", "drop", "--since", "10m", "--no-follow"])
}
