//! The life of a release of the chart, by real Helm.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use lab::helm::Helm;
use lab::real::{AGENTS, Cluster, DAEMONSET, PATIENCE, Scenario, Undo, overlay};
use lab::wait;
use serde_json::Value;

/// It comes before the scenarios that install the agents otherwise: both ways make the same objects.
pub(crate) const SCENARIOS: &[Scenario] =
    &[Scenario::new("helm_installs_upgrades_rolls_back_and_leaves_nothing", Cluster::as_it_is, whole_life)];

/// The image is imported on the nodes. All agents are replaced at once, to save time.
const VALUES: &[&str] = &[
    "image.pullPolicy=Never",
    "maxUnavailable=100%",
    "podMonitor.enabled=true",
    "prometheusRule.enabled=true",
];
/// The second name of the agents' image on every node, which `cargo xtask cluster test` gives it.
const UPGRADE: &str = "image.tag=upgrade";
const WAIT: [&str; 3] = ["--wait", "--timeout", "90s"];

/// A release in the namespace `default`.
struct Release<'a> {
    cluster: &'a Cluster,
    helm: Helm,
}

impl<'a> Release<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let helm = Helm::on_cluster(cluster.dir().join("bin/helm"), cluster.kubeconfig());
        Self { cluster, helm }
    }

    /// Runs a command on the release.
    fn run(&self, command: &[&str]) -> Result<String> {
        self.helm.run(&[command, &["--namespace", "default"]].concat())
    }

    /// Installs or upgrades the release.
    fn apply(&self, command: &str, values: &[&str]) -> Result<()> {
        let command = [&[command, "flow-observer", "--namespace", "default"], &WAIT[..]].concat();
        self.helm.of_chart(&command, values)?;
        self.cluster.rolled_out(AGENTS, DAEMONSET)
    }

    /// Checks that an agent of this image runs on every node, and that the release is at this revision.
    fn is_at(&self, revision: u64, image: &str) -> Result<()> {
        let nodes = self.cluster.nodes()?.len();
        let all_new = || {
            let agents = self.cluster.agents().ok()?;
            let same = |pod: &Value| pod["spec"]["containers"][0]["image"] == image;
            (agents.len() == nodes && agents.iter().all(same)).then_some(())
        };
        wait::until(&format!("{nodes} agents of {image}"), PATIENCE, all_new)?;
        let status: Value = serde_json::from_str(&self.run(&["status", "flow-observer", "-o", "json"])?)?;
        ensure!(status["version"] == revision && status["info"]["status"] == "deployed", "{status}");
        Ok(())
    }
}

/// Returns an object's kind, namespace and name.
fn title(object: &Value) -> String {
    let (kind, metadata) = (&object["kind"], &object["metadata"]);
    format!("{kind} {}/{}", metadata["namespace"], metadata["name"])
}

/// Returns all objects of the cluster that have the product's name, in their own or as their namespace. Events stay behind
/// whatever they are about.
fn ours(cluster: &Cluster) -> Result<BTreeSet<String>> {
    let kinds = cluster.kubectl("api-resources --verbs=list,delete -o name")?;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    ensure!(kinds.contains(&"clusterroles.rbac.authorization.k8s.io"), "{kinds:?}");
    let listed = cluster.list(&format!("{} -A", kinds.join(",")))?;
    Ok(listed.iter().map(title).filter(|title| title.contains("flow-observer")).collect())
}

/// Waits until the cluster has nothing of the product.
fn nothing_is_left(cluster: &Cluster) -> Result<()> {
    let nothing = || ours(cluster).ok()?.is_empty().then_some(());
    wait::until("nothing to be left", PATIENCE, nothing).with_context(|| format!("left: {:?}", ours(cluster)))
}

fn whole_life(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&format!("apply -f {}/fixtures/monitoring-crds.yaml", env!("CARGO_MANIFEST_DIR")))?;
    cluster.kubectl("wait --for=condition=Established crd --all --timeout=30s")?;
    cluster.kubectl(&format!("delete -k {} --ignore-not-found --timeout=90s", overlay("k3s")))?;
    nothing_is_left(cluster)?;
    let release = Release::new(cluster);
    let undo =
        Undo::new(|| release.run(&["uninstall", "flow-observer", "--ignore-not-found", "--wait"]).map(drop));
    release.helm.lint(VALUES)?;
    let rendered: BTreeSet<String> = release.helm.template(VALUES)?.iter().map(title).collect();

    release.apply("install", VALUES)?;
    let image = concat!("localhost/flow-observer:", env!("CARGO_PKG_VERSION"));
    release.is_at(1, image)?;
    let made = ours(cluster)?;
    ensure!(rendered.is_subset(&made), "{rendered:?} of {made:?}");
    ensure!(made.iter().any(|title| title.starts_with("\"Secret\" \"default\"/\"sh.helm")), "{made:?}");

    release.apply("upgrade", &[VALUES, &[UPGRADE]].concat())?;
    release.is_at(2, "localhost/flow-observer:upgrade")?;

    release.run(&[&["rollback", "flow-observer", "1"], &WAIT[..]].concat())?;
    release.is_at(3, image)?;
    let doctor = cluster.kubectl(&format!("-n {AGENTS} exec {DAEMONSET} -- flow-observer doctor"))?;
    ensure!(doctor.contains("The agent can run"), "{doctor}");

    undo.finish()?;
    nothing_is_left(cluster)
}
