//! Manifests, plans and baselines through the whole command.

mod clusters;
mod command;
mod flows;
mod incidents;
mod lints;
mod outputs;
mod plans;

use clap::Parser;
use flow_policy::audit::AuditFinding;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    audit: AuditArgs,
}

/// Returns a YAML document.
fn policy(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {spec}\n"
    )
}

fn namespace(name: &str) -> String {
    format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
}

/// A Deployment whose pods have these labels, and more in the pod's and the container's spec.
fn deployment(namespace: &str, name: &str, labels: &str, container: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{selector: {{}}, template: {{metadata: {{labels: {{{labels}}}}}, spec: {{containers: [{{name: c, image: i{container}}}]}}}}}}\n"
    )
}

fn report(yaml: &str, baselines: &[Baseline]) -> Report {
    audit(&manifests::stdin(yaml.as_bytes(), None).unwrap(), baselines)
}

fn rules(report: &Report) -> Vec<&'static str> {
    let mut rules: Vec<_> = report.findings.iter().map(|finding| finding.rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[track_caller]
fn only<'a>(report: &'a Report, rule: &str) -> &'a AuditFinding {
    let found: Vec<_> = report.findings.iter().filter(|finding| finding.rule.as_str() == rule).collect();
    let [one] = found.as_slice() else { panic!("{rule}: {:#?}", report.findings) };
    one
}

/// A pod of a Deployment, as a snapshot has it.
fn pod(namespace: &str, workload: &str, ip: &str, labels: &Value) -> Value {
    json!({
        "namespace": namespace, "name": format!("{workload}-0"), "uid": ip, "labels": labels, "node": "n1", "ips": [ip],
        "host_network": false, "finished": false, "deleting": false, "start": null,
        "workload": {"kind": "Deployment", "name": workload}, "ports": [],
    })
}

fn end(pod: &Value) -> Value {
    json!({
        "ip": pod["ips"][0], "namespace": pod["namespace"], "pod": pod["name"], "workload": pod["workload"]["name"],
        "kind": pod["workload"]["kind"], "labels": pod["labels"],
    })
}

fn flow(src: &Value, dst: &Value, port: u16) -> Value {
    json!({
        "src": src, "dst": dst, "port": port, "protocol": "TCP", "count": 3, "open": 1,
        "first_seen": "2026-04-28T10:00:00Z", "last_seen": "2026-04-29T10:00:00Z",
    })
}

#[expect(clippy::needless_pass_by_value, reason = "callers write JSON down")]
fn snapshot(pods: &[Value], policies: Value, flows: &[Value]) -> Value {
    let mut namespaces: Vec<_> = pods.iter().map(|pod| pod["namespace"].as_str().unwrap()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let namespaces: Vec<_> = namespaces
        .into_iter()
        .map(|name| json!({"name": name, "labels": {"kubernetes.io/metadata.name": name}}))
        .collect();
    json!({
        "version": 1, "node": "n1", "time": "2026-04-29T10:00:00Z",
        "inventory": {
            "pods": pods, "services": [], "namespaces": namespaces, "objects": {},
            "nodes": [{"name": "n1", "labels": {}, "ips": ["10.0.40.1"], "pod_cidrs": ["10.42.0.0/24"]}],
            "policies": {"namespaced": policies},
        },
        "flows": flows,
    })
}

fn read(snapshot: &Value) -> Baseline {
    Baseline::from_json(snapshot.to_string().as_bytes()).unwrap()
}
