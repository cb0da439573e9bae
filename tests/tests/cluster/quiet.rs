//! What happens on any day must be quiet: no warning, and what is reported is called what it is.

use anyhow::{Context as _, Result, ensure};
use lab::findings::summary;
use lab::real::{Cluster, KnownFault, PATIENCE, Scenario};
use lab::wait;
use serde_json::Value;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "scaling_to_twenty_and_back_is_quiet", run: scaling, known_fault: None },
    Scenario { name: "rolling_updates_of_server_and_client_are_quiet", run: rolling, known_fault: None },
    Scenario { name: "a_container_that_crashes_in_a_loop_is_quiet", run: crashing, known_fault: None },
    Scenario { name: "a_failing_probe_is_called_a_probe", run: probing, known_fault: Some(UNNAMED_PROBE) },
    Scenario { name: "a_finished_job_is_quiet", run: job, known_fault: None },
    Scenario { name: "exec_and_port_forward_are_quiet", run: sessions, known_fault: None },
    Scenario { name: "a_service_without_endpoints_is_called_that", run: no_endpoints, known_fault: None },
    Scenario {
        name: "a_client_that_starts_before_its_server_is_quiet",
        run: too_early,
        known_fault: Some(LOUD_START),
    },
    Scenario { name: "a_node_drain_is_quiet", run: drain, known_fault: None },
];

const UNNAMED_PROBE: KnownFault = KnownFault { name: "F19", shows: "nobody listens" };
const LOUD_START: KnownFault = KnownFault { name: "F20", shows: "somebody was warned" };

const SERVER: &str = include_str!("manifests/server.yaml");
const CLIENT: &str = include_str!("manifests/client.yaml");

/// Starts the server and its client, connected, runs `body`, and checks that nobody was warned.
fn quietly(cluster: &Cluster, namespace: &str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    started(cluster, namespace)?;
    body()?;
    silent(cluster, namespace)?;
    cluster.delete_namespace(namespace)?;
    silent(cluster, namespace)
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

/// Nothing of this namespace is or was worth a warning.
fn silent(cluster: &Cluster, namespace: &str) -> Result<()> {
    let loud: Vec<Value> =
        cluster.findings(namespace)?.into_iter().filter(|found| found["severity"] != "info").collect();
    ensure!(loud.is_empty(), "somebody was warned: {loud:#?}");
    let events = cluster.list(&format!("events -n {namespace}"))?;
    let ours: Vec<&Value> =
        events.iter().filter(|event| event["source"]["component"] == "flow-observer").collect();
    ensure!(ours.is_empty(), "somebody was warned: {ours:#?}");
    Ok(())
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

/// The kubelet tries a port where nothing listens.
fn probing(cluster: &Cluster) -> Result<()> {
    started(cluster, "quiet-probe")?;
    cluster.kubectl(
        "-n quiet-probe patch deployment server --type=json \
         -p=[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/readinessProbe\",\"value\":{\"tcpSocket\":{\"port\":9}}}]",
    )?;
    let refused = cluster.wait_finding("quiet-probe", ("service_refused", "active"), PATIENCE, |_| true);
    cluster.delete_namespace("quiet-probe")?;
    let refused = refused?;
    ensure!(refused["severity"] == "info" && refused.to_string().contains("probe"), "{refused}");
    Ok(())
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
        let forwarding = cluster
            .kubectl_command("-n quiet-exec port-forward deployment/server --address=127.0.0.1 :8080")
            .stdout(std::process::Stdio::piped())
            .spawn()?;
        forwarded(forwarding)
    })
}

/// Sends one line through a port-forward, which names its port first.
fn forwarded(mut forwarding: std::process::Child) -> Result<()> {
    use std::io::{BufRead as _, BufReader, Write as _};
    let mut line = String::new();
    // kubectl ends when it can't write any more.
    let mut stdout = BufReader::new(forwarding.stdout.take().context("no standard output")?);
    stdout.read_line(&mut line)?;
    let port = line.split(" -> ").next().and_then(|head| head.rsplit(':').next()?.trim().parse::<u16>().ok());
    let answered = (|| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port.unwrap_or_default()))?;
        stream.set_read_timeout(Some(wait::DEADLINE))?;
        stream.write_all(b"x\n")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    })();
    forwarding.kill()?;
    forwarding.wait()?;
    ensure!(answered? == "x\n", "port-forward said {line}");
    Ok(())
}

/// Where kube-router accepts a packet before kube-proxy rejects it, such a SYN is unanswered rather than refused.
fn no_endpoints(cluster: &Cluster) -> Result<()> {
    started(cluster, "quiet-none")?;
    cluster.kubectl("-n quiet-none scale deployment/server --replicas=0")?;
    let found = wait::until("a finding about the Service", PATIENCE, || {
        let findings = cluster.findings("quiet-none").ok()?;
        findings.into_iter().find(|found| summary(found).contains("quiet-none/server has no ready backend"))
    });
    let all = cluster.findings("quiet-none")?;
    cluster.delete_namespace("quiet-none")?;
    found.with_context(|| format!("{all:?}")).map(drop)
}

/// Its connections fail until the server is there. That is no reason to wake anybody.
fn too_early(cluster: &Cluster) -> Result<()> {
    let namespace = "quiet-early";
    cluster.apply(&SERVER.replace("NAMESPACE", namespace).replace("replicas: 1", "replicas: 0"))?;
    cluster.apply(&CLIENT.replace("NAMESPACE", namespace))?;
    wait::until("a failure of the client", PATIENCE, || {
        let logs = cluster.kubectl(&format!("-n {namespace} logs -l app=client --tail=1")).ok()?;
        logs.contains("dial tcp").then_some(())
    })?;
    cluster.kubectl(&format!("-n {namespace} scale deployment/server --replicas=1"))?;
    connected(cluster, namespace)?;
    let silent = silent(cluster, namespace);
    cluster.delete_namespace(namespace)?;
    silent
}

fn drain(cluster: &Cluster) -> Result<()> {
    quietly(cluster, "quiet-drain", || {
        let pod = cluster.pod("quiet-drain", "app=server")?;
        let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        let drained = cluster
            .kubectl(&format!(
                "drain {node} --ignore-daemonsets --delete-emptydir-data --force --timeout=60s"
            ))
            .and_then(|_| cluster.rolled_out("quiet-drain", "deployment/server"));
        cluster.kubectl(&format!("uncordon {node}"))?;
        drained?;
        connected(cluster, "quiet-drain")
    })
}
