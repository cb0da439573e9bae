//! Measures `flow-observer audit` of 1,000 policies against a baseline of 10,000 flows, from its start to its end.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use flow_model::baseline::{Baseline, BaselineEnd, BaselineFlow, VERSION};
use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::Decision;
use flow_model::inventory::{Inventory, Pod};
use flow_model::policies::{
    NetworkPolicy, Operator, Peer, Policies, PortMatch, PortSet, Protocol, Rule, Selector,
};
use flow_policy::Compiled;
use jiff::Timestamp;
use lab::agent;
use lab::guard::Guard;
use serde_json::{Value, json};

use crate::verdicts::cluster::{PODS, PORT, Shape};

const FLOWS: usize = 10_000;
/// The number of rounds. The machine is shared, so the median is reported.
const ROUNDS: usize = 11;
const BUDGET: Duration = Duration::from_millis(300);

pub(crate) fn run() -> Result<()> {
    let guard = Guard::take()?;
    let (manifests, baseline) = (guard.dir().join("policies.json"), guard.dir().join("baseline.json"));
    let mut inventory = Shape { namespaces: 100 }.inventory()?;
    let proposed = std::mem::take(&mut inventory.policies);
    std::fs::write(&manifests, list(&proposed).to_string())?;
    std::fs::write(&baseline, serde_json::to_vec(&observed(inventory, &proposed)?)?)?;
    let mut times = Vec::new();
    let mut refused = 0;
    for _ in 0..ROUNDS {
        let (took, findings) = audit(&manifests, &baseline)?;
        times.push(took);
        refused = findings;
    }
    times.sort_unstable();
    let [fastest, .., slowest] = times[..] else { return Ok(()) };
    let median = times[ROUNDS / 2];
    let within = if median <= BUDGET { "within" } else { "OVER" };
    println!(
        "audit: {} policies, {FLOWS} flows, {refused} of them refused: {} ms ({} to {}, {ROUNDS} rounds), {within} the {} ms budget",
        proposed.namespaced.len(),
        median.as_millis(),
        fastest.as_millis(),
        slowest.as_millis(),
        BUDGET.as_millis()
    );
    Ok(())
}

/// Runs the command once. Returns how long it took, and how many flows it reported.
fn audit(manifests: &Path, baseline: &Path) -> Result<(Duration, usize)> {
    let began = Instant::now();
    let output = Command::new(agent::binary()?)
        .args(["audit", "-o", "json", "--manifests"])
        .arg(manifests)
        .arg("--flows")
        .arg(baseline)
        .stderr(Stdio::inherit())
        .output()?;
    let took = began.elapsed();
    ensure!(output.status.code() == Some(1), "audit ended with {}", output.status);
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let refused = answer["findings"].as_array().context("an answer without findings")?.len();
    ensure!(refused > 0, "nothing was judged");
    Ok((took, refused))
}

/// Connections between pods, of which the policies admit every second one.
fn observed(inventory: Inventory, proposed: &Policies) -> Result<Baseline> {
    let time: Timestamp = "2026-11-21T00:00:00Z".parse()?;
    let compiled = Compiled::new(Arc::new(Inventory { policies: proposed.clone(), ..inventory.clone() }));
    let random = |n: usize| &inventory.pods[(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % PODS];
    let decision = |src: &Pod, dst: &Pod| {
        let [src, dst] = [src, dst].map(party);
        compiled.rule(&Connection { src, dst, protocol: Protocol::Tcp, port: PORT }).decision()
    };
    let decision = &decision;
    let pairs = || (0..).map(|n| (random(n), random(n ^ 0x5555)));
    let of = |wanted| pairs().filter(move |(src, dst)| decision(src, dst) == wanted).take(FLOWS / 2);
    let flow = |(src, dst): (&Arc<Pod>, &Arc<Pod>)| BaselineFlow {
        src: end(src),
        dst: end(dst),
        port: PORT,
        service_port: None,
        protocol: Protocol::Tcp,
        count: 1,
        first_seen: time,
        last_seen: time,
        open: 0,
    };
    let flows = of(Decision::Allow).chain(of(Decision::Deny)).map(flow).collect();
    let inventory = Arc::new(inventory);
    Ok(Baseline {
        version: VERSION,
        node: "node-0".into(),
        time,
        inventory,
        flows,
        lost: 0,
        missing: Vec::new(),
    })
}

fn party(pod: &Pod) -> Party<'_> {
    Party { ip: pod.ips.first().copied(), who: Who::Pod(pod) }
}

fn end(pod: &Pod) -> BaselineEnd {
    BaselineEnd {
        namespace: Some(pod.namespace.clone()),
        pod: Some(pod.name.clone()),
        workload: Some(pod.workload.name.clone()),
        kind: Some(pod.workload.kind.clone()),
        labels: Some(pod.labels.clone()),
        ports: pod.ports.clone(),
        node: pod.node.clone(),
        ..BaselineEnd::bare(pod.ips[0])
    }
}

fn list(policies: &Policies) -> Value {
    let items: Vec<Value> = policies.namespaced.iter().map(|policy| manifest(policy)).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn manifest(policy: &NetworkPolicy) -> Value {
    let mut spec = json!({"podSelector": selector(&policy.selector), "policyTypes": []});
    for (kind, field, peers, rules) in
        [("Ingress", "ingress", "from", &policy.ingress), ("Egress", "egress", "to", &policy.egress)]
    {
        let Some(rules) = rules else { continue };
        spec["policyTypes"].as_array_mut().into_iter().for_each(|types| types.push(json!(kind)));
        spec[field] = rules.iter().map(|admitted| rule(admitted, peers)).collect();
    }
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": &*policy.namespace, "name": &*policy.name}, "spec": spec,
    })
}

fn rule(rule: &Rule, field: &str) -> Value {
    let ports: Vec<Value> = rule.ports.iter().map(port).collect();
    json!({field: rule.peers.iter().map(peer).collect::<Vec<_>>(), "ports": ports})
}

fn port(port: &PortMatch) -> Value {
    match &port.port {
        PortSet::All => json!({"protocol": "TCP"}),
        PortSet::Range(first, last) => json!({"protocol": "TCP", "port": first, "endPort": last}),
        PortSet::Named(name) => json!({"protocol": "TCP", "port": &**name}),
    }
}

fn peer(peer: &Peer) -> Value {
    match peer {
        Peer::Block { cidr, except } => json!({"ipBlock": {"cidr": cidr, "except": except}}),
        Peer::Pods { namespaces, pods } => {
            let mut peer = json!({});
            for (field, wanted) in [("namespaceSelector", namespaces), ("podSelector", pods)] {
                if let Some(wanted) = wanted {
                    peer[field] = selector(wanted);
                }
            }
            peer
        }
    }
}

fn selector(selector: &Selector) -> Value {
    let expression = |key: &str, operator: &Operator| match operator {
        Operator::In(values) => json!({"key": key, "operator": "In", "values": strings(values)}),
        Operator::NotIn(values) => json!({"key": key, "operator": "NotIn", "values": strings(values)}),
        Operator::Exists => json!({"key": key, "operator": "Exists"}),
        Operator::DoesNotExist => json!({"key": key, "operator": "DoesNotExist"}),
    };
    let all = selector.requirements.iter().map(|wanted| expression(&wanted.key, &wanted.operator));
    json!({"matchExpressions": all.collect::<Vec<_>>()})
}

fn strings<S: AsRef<str>>(values: &[S]) -> Vec<&str> {
    values.iter().map(AsRef::as_ref).collect()
}
