//! Incident one: a policy loses a namespace, and open connections hide it.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use lab::findings::{says, summary};
use lab::real::{Cluster, Finding, Monitor, PATIENCE, Scenario, Undo};
use lab::wait;
use serde_json::Value;

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("a_policy_loses_a_namespace_and_open_connections_hide_it", |cluster| told(cluster).map(drop)),
    scenario("all_open_connections_of_a_pair_are_one_latent_denial", |cluster| {
        told(cluster)?.counted.clone().map_err(|error| anyhow!(error))
    }),
    scenario("a_refusal_names_the_change_also_on_a_node_without_open_connections", |cluster| {
        told(cluster)?.blamed.clone().map_err(|error| anyhow!(error))
    }),
];

const fn scenario(name: &'static str, run: fn(&Cluster) -> Result<()>) -> Scenario {
    Scenario::new(name, Cluster::ensure_agents, run)
}

const MANIFEST: &str = include_str!("manifests/postgres.yaml");
const POLICY: &str = include_str!("manifests/policy.yaml");
const NAMESPACES: [&str; 3] = ["one-db", APPS, "one-other"];
const APPS: &str = "one-apps";
const RULE: &str = "one-db/admit-clients";
/// From the change to the finding.
const SOON: Duration = Duration::from_secs(5);
/// The label of the nodes where database and clients start.
const PLACE: &str = "scenarios/one";

/// What the incident showed beside what it requires.
struct Told {
    /// Both connections are one finding.
    counted: Result<(), String>,
    /// The refusal names the change.
    blamed: Result<(), String>,
}

/// The incident, which happens once for all scenarios.
fn told(cluster: &Cluster) -> Result<&'static Told> {
    static TOLD: OnceLock<Result<Told, String>> = OnceLock::new();
    let told = TOLD.get_or_init(|| incident(cluster).map_err(|error| format!("{error:#}")));
    told.as_ref().map_err(|error| anyhow!(error.clone()))
}

/// The workloads, with a Service whose port is not the database's own. The database starts where the label says `db`, a
/// client where it says `apps`.
fn workloads() -> String {
    let mut places = ["db", "apps"].into_iter();
    let grace = "      terminationGracePeriodSeconds: 1\n";
    let placed = MANIFEST.split_inclusive(grace).map(|part| match part.strip_suffix(grace) {
        Some(before) => {
            let place = places.next().unwrap_or_default();
            format!("{before}      nodeSelector: {{{PLACE}: {place}}}\n{grace}")
        }
        None => part.to_owned(),
    });
    let placed: String = placed.collect();
    let service = placed.replace("{port: 5432, targetPort: pg}", "{port: 6432, targetPort: pg}");
    service.replace("10.43.0.50:5432", "10.43.0.50:6432")
}

fn place(cluster: &Cluster, node: &str, what: &str) -> Result<()> {
    cluster.kubectl(&format!("label --overwrite node {node} {PLACE}{what}")).map(drop)
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

/// Clients on n1 are connected to the database on n2; one of them starts again on n3.
fn incident(cluster: &Cluster) -> Result<Told> {
    let namespaces = cluster.temporary(&NAMESPACES);
    let places = Undo::new(|| ["n1", "n2", "n3"].into_iter().try_for_each(|node| place(cluster, node, "-")));
    place(cluster, "n1", "=apps")?;
    place(cluster, "n2", "=db")?;
    cluster.apply(&workloads())?;
    cluster.apply(&policy(APPS))?;
    cluster.rolled_out("one-db", "statefulset/postgres")?;
    cluster.rolled_out(APPS, "deployment/web")?;
    let monitor = Monitor::start(cluster)?;
    let clients = connected(cluster)?;
    foretold(cluster)?;

    change(cluster, "one-other")?;
    let counted = latent(cluster, &clients)?;
    remembered(cluster)?;
    monitor.wait_alert("FlowObserverLatentDenial", true)?;

    // The other client stays, so that only the fix can end the latent denial.
    let [restarted, stays] = &clients[..] else { anyhow::bail!("two clients expected: {clients:?}") };
    place(cluster, "n1", "-")?;
    place(cluster, "n3", "=apps")?;
    cluster.kubectl(&format!("-n {APPS} delete pod {restarted} --wait=false"))?;
    let blamed = denied(cluster, &clients)?;
    logged(cluster)?;
    monitor.wait_alert("FlowObserverPolicyDenied", true)?;
    cluster.wait_finding(APPS, ("latent_denial", "active"), SOON, |_| true)?;
    cluster.browse("cluster_policy")?;

    change(cluster, APPS)?;
    ended(cluster)?;
    let log = cluster.kubectl(&format!("-n {APPS} logs {stays}"))?;
    ensure!(log.matches("connected from").count() == 1, "{stays} lost its connection: {log}");
    monitor.notified_exactly(&["FlowObserverLatentDenial", "FlowObserverPolicyDenied"], &[])?;
    monitor.each_notified_once()?;
    places.finish()?;
    namespaces.finish()?;
    let text = |error: anyhow::Error| format!("{error:#}");
    Ok(Told { counted: counted.map_err(text), blamed: blamed.map_err(text) })
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

/// An audit of the change by the flows of all nodes names who loses its connections. By those of the node without the clients
/// and the database it must not pass as a judgement of the cluster.
fn foretold(cluster: &Cluster) -> Result<()> {
    let file = cluster.dir().join("change.yaml");
    std::fs::write(&file, policy("one-other"))?;
    let audit = ["audit", "--manifests", &file.to_string_lossy()];
    let all = wait::until("an audit that names the clients", PATIENCE, || {
        let all = cluster.ask(&[&audit[..], &["--all-nodes"]].concat()).ok()?;
        all.stdout.contains("one-apps/web").then_some(all)
    })?;
    ensure!(all.code == Some(1) && all.stdout.contains("one-db/postgres"), "{all:?}");
    cluster.label_agents()?;
    let part = cluster.ask_on("n3", &audit)?;
    ensure!(part.code == Some(2) && part.stdout.contains("only the flows of 1 of 3 nodes"), "{part:?}");
    Ok(())
}

/// Every node's tail has the change and its author.
fn remembered(cluster: &Cluster) -> Result<()> {
    let tail = ["tail", "--kind", "policy_change", "--namespace", "one-db", "--since", "1h", "--no-follow"];
    wait::until("a record of the change from each node", SOON, || {
        let records = cluster.values(&tail).ok()?;
        let ours = records.iter().filter(|record| record["manager"] == "OpenTofu");
        let mut nodes: Vec<&str> = ours.filter_map(|record| record["node"].as_str()).collect();
        nodes.sort_unstable();
        (nodes == ["n1", "n2", "n3"]).then_some(())
    })
    .with_context(|| format!("{:?}", cluster.values(&tail)))
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

/// The restarted client is refused; the finding and an Event on the new pod say by which policy. Returns whether the
/// finding names the change.
fn denied(cluster: &Cluster, before: &[String]) -> Result<Result<()>> {
    let denied = cluster.wait_finding(APPS, ("policy_denied", "active"), PATIENCE, |_| true)?;
    ensure!(says(&denied["summary"], &["one-apps/web can't reach one-db/postgres", RULE]), "{denied}");
    let pod = event(cluster, "PolicyDenied", |pod| !before.iter().any(|old| old == pod))?;
    let described = cluster.kubectl(&format!("-n {APPS} describe pod {pod}"))?;
    ensure!(described.contains("PolicyDenied") && described.contains(RULE), "{described}");
    let blamed = cluster.wait_finding(APPS, ("policy_denied", "active"), SOON, |found| {
        says(&found["cause"], &[RULE, "OpenTofu"])
    });
    Ok(blamed.map(drop).context("a refusal without the change"))
}

/// The enforcer's own word stands beside the verdict, on the database's node, which refuses. It comes there out of the
/// tunnel, so that the attempt itself is seen on the client's node.
fn logged(cluster: &Cluster) -> Result<()> {
    let tail = ["tail", "--kind", "drop", "--namespace", "one-db", "--since", "1h", "--no-follow"];
    wait::until("a dropped SYN that the enforcer logged", PATIENCE, || {
        let records = cluster.values(&tail).ok()?;
        let is_logged = |record: &Value| record["enforcer"] == "logged" && record["node"] == "n2";
        records.iter().any(|r| is_logged(r) && r["verdict"]["decision"] == "deny").then_some(())
    })
    .with_context(|| format!("{:?}", cluster.values(&tail)))
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
