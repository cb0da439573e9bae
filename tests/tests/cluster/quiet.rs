//! What happens on any day must be quiet: no warning, and what is reported is called what it is.

mod listener;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use lab::findings::summary;
use lab::real::{Cluster, PATIENCE, Scenario, Undo};
use lab::wait;

use listener::Listener;

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("scaling_to_twenty_and_back_is_quiet", scaling),
    scenario("rolling_updates_of_server_and_client_are_quiet", rolling),
    scenario("a_container_that_crashes_in_a_loop_is_quiet", crashing),
    scenario("a_failing_probe_is_called_a_probe", probing),
    scenario("a_finished_job_is_quiet", job),
    scenario("exec_and_port_forward_are_quiet", sessions),
    scenario("a_service_without_endpoints_is_called_that", no_endpoints),
    scenario("a_client_that_starts_before_its_server_is_quiet", too_early),
    scenario("a_node_drain_is_quiet", drain),
];

const fn scenario(name: &'static str, run: fn(&Cluster) -> Result<()>) -> Scenario {
    Scenario::new(name, Cluster::ensure_agents, run)
}

const SERVER: &str = include_str!("manifests/server.yaml");
const CLIENT: &str = include_str!("manifests/client.yaml");

/// Starts the server and its client, connected, runs `body`, and checks that nobody was warned, also not by the end of it
/// all.
fn quietly(cluster: &Cluster, namespace: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    heard(cluster, namespace, |_| body())
}

fn heard(cluster: &Cluster, namespace: &str, body: impl FnOnce(&Listener<'_>) -> Result<()>) -> Result<()> {
    let listener = Listener::start(cluster, namespace)?;
    let names = [namespace];
    let temporary = cluster.temporary(&names);
    started(cluster, namespace)?;
    body(&listener)?;
    listener.heard_nothing()?;
    temporary.finish()?;
    listener.heard_nothing()
}

fn started(cluster: &Cluster, namespace: &str) -> Result<()> {
    for (name, manifest) in [("server", SERVER), ("client", CLIENT)] {
        cluster.apply(&manifest.replace("NAMESPACE", namespace))?;
        cluster.rolled_out(namespace, &format!("deployment/{name}"))?;
    }
    connected(cluster, namespace)
}

/// Waits until the newest client is connected.
fn connected(cluster: &Cluster, namespace: &str) -> Result<()> {
    wait::until("a connected client", PATIENCE, || {
        let logs = cluster.kubectl(&format!("-n {namespace} logs -l app=client --tail=1")).ok()?;
        logs.contains("connected from").then_some(())
    })
}

fn scaling(cluster: &Cluster) -> Result<()> {
    quietly(cluster, "quiet-scale", || {
        for replicas in [20, 1] {
            cluster.kubectl(&format!("-n quiet-scale scale deployment/server --replicas={replicas}"))?;
            cluster.rolled_out("quiet-scale", "deployment/server")?;
        }
        wait::until("nineteen servers to be gone", PATIENCE, || {
            (cluster.list("pods -n quiet-scale -l app=server").ok()?.len() == 1).then_some(())
        })?;
        connected(cluster, "quiet-scale")
    })
}

fn rolling(cluster: &Cluster) -> Result<()> {
    quietly(cluster, "quiet-roll", || {
        for name in ["server", "client"] {
            cluster.kubectl(&format!("-n quiet-roll rollout restart deployment/{name}"))?;
            cluster.rolled_out("quiet-roll", &format!("deployment/{name}"))?;
        }
        connected(cluster, "quiet-roll")
    })
}

fn crashing(cluster: &Cluster) -> Result<()> {
    quietly(cluster, "quiet-crash", || {
        cluster.kubectl(
            "-n quiet-crash run crashing --image=localhost/peer:1 --image-pull-policy=Never -- nothing",
        )?;
        wait::until("CrashLoopBackOff", PATIENCE, || {
            let pod = cluster.get("pod -n quiet-crash crashing").ok()?;
            let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
            (waiting == "CrashLoopBackOff").then_some(())
        })
    })
}

/// The kubelet tries a port where nothing listens, and tells of that itself.
fn probing(cluster: &Cluster) -> Result<()> {
    heard(cluster, "quiet-port", |listener| {
        cluster.kubectl(
            "-n quiet-port patch deployment server --type=json \
             -p=[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/readinessProbe\",\"value\":{\"tcpSocket\":{\"port\":9},\"periodSeconds\":1}}]",
        )?;
        let refused =
            cluster.wait_finding("quiet-port", ("service_refused", "active"), PATIENCE, |_| true)?;
        ensure!(refused["severity"] == "info" && summary(&refused).contains("probe"), "{refused}");
        // The number of refusals at which a client would be alerted on.
        listener.wait_refusals("quiet-port", 8.0)
    })
}

fn job(cluster: &Cluster) -> Result<()> {
    quietly(cluster, "quiet-job", || {
        let address = cluster.get("service -n quiet-job server")?["spec"]["clusterIP"].clone();
        let dial = format!("/peer dial {}:80", address.as_str().unwrap_or_default());
        cluster.kubectl(&format!("-n quiet-job create job once --image=localhost/peer:1 -- {dial}"))?;
        cluster.kubectl("-n quiet-job wait --for=condition=complete job/once --timeout=60s").map(drop)
    })
}

fn sessions(cluster: &Cluster) -> Result<()> {
    quietly(cluster, "quiet-exec", || {
        cluster.kubectl("-n quiet-exec exec deployment/server -- /busybox true")?;
        let forwarding = "-n quiet-exec port-forward deployment/server --address=127.0.0.1 :8080";
        let forwarding = cluster.watch(forwarding)?;
        let port = wait::until("the port of port-forward", PATIENCE, || {
            let log = forwarding.log();
            log.split_once(" -> ")?.0.rsplit(':').next()?.parse().ok()
        });
        echoed(port.with_context(|| forwarding.log())?)
    })
}

/// Sends one line through a port-forward.
fn echoed(port: u16) -> Result<()> {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(wait::DEADLINE))?;
    stream.write_all(b"x\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    ensure!(answer == "x\n", "port-forward answered {answer:?}");
    Ok(())
}

/// Where kube-router accepts a packet before kube-proxy rejects it, such a SYN is unanswered rather than refused.
fn no_endpoints(cluster: &Cluster) -> Result<()> {
    let namespace = cluster.temporary(&["quiet-none"]);
    started(cluster, "quiet-none")?;
    cluster.kubectl("-n quiet-none scale deployment/server --replicas=0")?;
    wait::until("a finding about the Service", PATIENCE, || {
        let findings = cluster.findings("quiet-none").ok()?;
        findings.into_iter().find(|found| summary(found).contains("quiet-none/server has no ready backend"))
    })
    .with_context(|| format!("{:?}", cluster.findings("quiet-none")))?;
    namespace.finish()
}

/// Its connections fail until the server is there. That is no reason to wake anybody.
fn too_early(cluster: &Cluster) -> Result<()> {
    let namespace = "quiet-early";
    let listener = Listener::start(cluster, namespace)?;
    let temporary = cluster.temporary(&["quiet-early"]);
    cluster.apply(&SERVER.replace("NAMESPACE", namespace).replace("replicas: 1", "replicas: 0"))?;
    cluster.apply(&CLIENT.replace("NAMESPACE", namespace))?;
    wait::until("a failure of the client", PATIENCE, || {
        let logs = cluster.kubectl(&format!("-n {namespace} logs -l app=client --tail=1")).ok()?;
        logs.contains("dial tcp").then_some(())
    })?;
    cluster.kubectl(&format!("-n {namespace} scale deployment/server --replicas=1"))?;
    connected(cluster, namespace)?;
    listener.heard_nothing()?;
    temporary.finish()
}

/// The node's agent goes on, since it is a DaemonSet's.
fn drain(cluster: &Cluster) -> Result<()> {
    quietly(cluster, "quiet-drain", || {
        let agents = running_agents(cluster)?;
        let pod = cluster.pod("quiet-drain", "app=server")?;
        let node = pod["spec"]["nodeName"].as_str().context("a running pod without a node")?;
        let open = Undo::new(|| cluster.kubectl(&format!("uncordon {node}")).map(drop));
        cluster.kubectl(&format!(
            "drain {node} --ignore-daemonsets --delete-emptydir-data --force --timeout=60s"
        ))?;
        cluster.rolled_out("quiet-drain", "deployment/server")?;
        open.finish()?;
        connected(cluster, "quiet-drain")?;
        let after = running_agents(cluster)?;
        ensure!(after == agents, "the agents were {agents:?} before, and are {after:?}");
        Ok(())
    })
}

/// The name of each agent that is Ready, and how often it was restarted.
fn running_agents(cluster: &Cluster) -> Result<BTreeSet<(String, u64)>> {
    let agents = cluster.agents()?.into_iter().filter_map(|pod| {
        let container = &pod["status"]["containerStatuses"][0];
        let is_ready = container["ready"].as_bool()?;
        let restarts = container["restartCount"].as_u64()?;
        is_ready.then_some((pod["metadata"]["name"].as_str()?.to_owned(), restarts))
    });
    Ok(agents.collect())
}
