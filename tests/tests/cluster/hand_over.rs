//! Agents whose maps, attachments and counters outlast them are replaced under load, and no count is lost.

use std::collections::BTreeMap;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use lab::metrics::{self, Sample};
use lab::real::{AGENTS, Cluster, DAEMONSET, PATIENCE, Scenario, Undo, overlay, peer};
use lab::{agent, wait};
use serde_json::json;

use super::install::{UPGRADE, replaced};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_rollout_restart_that_hands_over_loses_no_count", Cluster::as_it_is, |cluster| {
        no_count_is_lost(cluster, &format!("rollout restart {DAEMONSET}"))
    }),
    Scenario::new("an_image_upgrade_that_hands_over_loses_no_count", Cluster::as_it_is, |cluster| {
        no_count_is_lost(cluster, &format!("set image {DAEMONSET} flow-observer={UPGRADE}"))
    }),
];

const NAMESPACE: &str = "hand-over";
/// The nodes of the client and of the server.
const NODES: [&str; 2] = ["n1", "n2"];
/// Between two connections.
const EVERY: &str = "5ms";
const COUNTER: &str = "flow_observer_connection_attempts_total";

fn no_count_is_lost(cluster: &Cluster, change: &str) -> Result<()> {
    let undo = Undo::new(|| without_pins(cluster));
    cluster.kubectl(&format!("apply -k {}", overlay("hand-over")))?;
    cluster.rolled_out(AGENTS, DAEMONSET)?;
    let temporary = cluster.temporary(&[NAMESPACE]);
    let load = Load::start(cluster)?;
    // Enough that a counter which begins anew shows.
    wait::until("a load that is counted", PATIENCE, || {
        (established(cluster, NODES[0])? >= 500.0).then_some(())
    })?;
    let mut counters = Counters::default();
    thread::scope(|scope| {
        let replacing = scope.spawn(|| replaced(cluster, change));
        while !replacing.is_finished() {
            counters.never_fall(cluster)?;
        }
        replacing.join().ok().context("the change panicked")?
    })?;
    let opened = load.end()? as f64;
    for node in NODES {
        wait::until(&format!("{opened} connections on {node}"), PATIENCE, || {
            (established(cluster, node) == Some(opened)).then_some(())
        })
        .with_context(|| format!("counted: {:#?}", samples(cluster, node).map(only_established)))?;
    }
    counters.never_fall(cluster)?;
    ensure!(counters.0.len() >= NODES.len(), "{counters:?}");
    temporary.finish()?;
    undo.finish()
}

/// Replaces the agents by such that don't pin, and removes what those before them pinned.
fn without_pins(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&format!("-n {AGENTS} delete {DAEMONSET} --cascade=foreground --timeout=60s"))?;
    let program = agent::binary()?;
    for node in cluster.nodes()? {
        let cleanup = format!(
            "{} cleanup --pin-dir /sys/fs/bpf/flow-observer --state-dir /var/lib/flow-observer",
            program.display()
        );
        cluster.on(&node, &cleanup)?;
        let left =
            cluster.on(&node, "ls -d /sys/fs/bpf/flow-observer* /var/lib/flow-observer* 2>/dev/null || :")?;
        ensure!(left.trim().is_empty(), "{node}: {left}");
    }
    cluster.install_agents()
}

/// A client that opens connections from the first node to the second.
struct Load<'a>(&'a Cluster);

impl<'a> Load<'a> {
    fn start(cluster: &'a Cluster) -> Result<Self> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let server = peer(NAMESPACE, "server", &json!({"app": "server"}), NODES[1]);
        cluster
            .apply(&json!({"apiVersion": "v1", "kind": "List", "items": [namespace, server]}).to_string())?;
        cluster.kubectl(&format!("-n {NAMESPACE} wait --for=condition=Ready pod server --timeout=90s"))?;
        let address = cluster.get(&format!("pod -n {NAMESPACE} server"))?["status"]["podIP"].clone();
        let mut client = peer(NAMESPACE, "client", &json!({"app": "client"}), NODES[0]);
        let at = format!("{}:8080", address.as_str().context("a pod without address")?);
        client["spec"]["containers"][0]["args"] = json!(["load", at, EVERY]);
        client["spec"]["restartPolicy"] = json!("Never");
        cluster.apply(&client.to_string())?;
        Ok(Self(cluster))
    }

    /// Ends it, and returns how many connections it opened.
    fn end(&self) -> Result<u64> {
        self.0.kubectl(&format!("-n {NAMESPACE} exec client -- /peer end"))?;
        let told = wait::until("the end of the load", PATIENCE, || {
            let log = self.0.kubectl(&format!("-n {NAMESPACE} logs client")).ok()?;
            log.lines().find_map(|line| line.strip_prefix("opened ").map(str::to_owned))
        })?;
        let (opened, failed) = told.split_once(" failed ").with_context(|| told.clone())?;
        ensure!(failed == "0", "{told}");
        Ok(opened.parse()?)
    }
}

fn samples(cluster: &Cluster, node: &str) -> Option<Vec<Sample>> {
    let page = cluster.page(node, "/metrics").ok()?;
    (page.status == 200).then(|| metrics::parse(&page.body))
}

/// Returns the established connections of the load that the agent on a node has counted.
fn established(cluster: &Cluster, node: &str) -> Option<f64> {
    let labels = [("src_namespace", NAMESPACE), ("dst_namespace", NAMESPACE), ("outcome", "established")];
    let samples = samples(cluster, node)?;
    Some(samples.iter().filter(|sample| sample.matches(COUNTER, &labels)).map(|sample| sample.value).sum())
}

/// Keeps what should be all connections of the load, and those that have other names.
fn only_established(mut samples: Vec<Sample>) -> Vec<Sample> {
    samples.retain(|sample| sample.matches(COUNTER, &[("outcome", "established")]));
    samples
}

/// The greatest values so far of each node's counters.
#[derive(Debug, Default)]
struct Counters(BTreeMap<(&'static str, String), f64>);

impl Counters {
    /// Fails when a counter has less than before. An agent that does not answer has no counters.
    fn never_fall(&mut self, cluster: &Cluster) -> Result<()> {
        for node in NODES {
            for sample in samples(cluster, node).unwrap_or_default() {
                // Those of the process are of each process.
                if !sample.name.starts_with("flow_observer_") || !sample.name.ends_with("_total") {
                    continue;
                }
                let series = format!("{}{:?}", sample.name, sample.labels);
                let before = self.0.entry((node, series)).or_default();
                ensure!(sample.value >= *before, "{node}: {sample:?} was {before}");
                *before = sample.value;
            }
        }
        Ok(())
    }
}
