//! Random NetworkPolicies.

use fastrand::Rng;
use serde_json::{Value, json};

const NAMESPACES: [&str; 3] = ["gen-a", "gen-b", "gen-c"];

/// Policies for which kube-router is known to differ from the specification, whatever the random ones are: where a
/// source is rewritten, the first admits what kube-router refuses; by the second, a pod is isolated in both directions.
pub(crate) fn known() -> [Vec<Value>; 2] {
    let everybody = json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"namespaceSelector": {}}]}]});
    let nobody = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    [everybody, nobody]
        .map(|spec| NAMESPACES.map(|namespace| named("known", namespace, spec.clone())).to_vec())
}

/// One to four policies; the same seed gives the same.
pub(crate) fn random(seed: u64) -> Vec<Value> {
    let mut random = Rng::with_seed(seed);
    let count = random.usize(1..=4);
    (0..count).map(|number| policy(&mut random, number)).collect()
}

fn policy(random: &mut Rng, number: usize) -> Value {
    let directions: &[_] = match random.usize(0..5) {
        0 | 1 => &[("Ingress", "ingress", true)],
        2 | 3 => &[("Egress", "egress", false)],
        _ => &[("Ingress", "ingress", true), ("Egress", "egress", false)],
    };
    let mut spec = json!({"podSelector": selector(random), "policyTypes": []});
    for (kind, field, is_ingress) in directions {
        spec["policyTypes"].as_array_mut().into_iter().for_each(|kinds| kinds.push(json!(kind)));
        spec[field] = (0..random.usize(0..=2)).map(|_| rule(random, *is_ingress)).collect();
    }
    named(&format!("random-{number}"), NAMESPACES[random.usize(0..3)], spec)
}

#[expect(clippy::needless_pass_by_value, reason = "it becomes a part of the object")]
fn named(name: &str, namespace: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": {"of": "gen"}},
        "spec": spec,
    })
}

fn rule(random: &mut Rng, ingress: bool) -> Value {
    let mut rule = json!({});
    let peers: Vec<Value> = (0..random.usize(0..=2)).map(|_| peer(random)).collect();
    if !peers.is_empty() {
        rule[if ingress { "from" } else { "to" }] = json!(peers);
    }
    match random.usize(0..6) {
        0 => rule["ports"] = json!([{"port": 8080, "protocol": "TCP"}]),
        1 => rule["ports"] = json!([{"port": 8000, "endPort": 8080, "protocol": "TCP"}]),
        2 => rule["ports"] = json!([{"port": "http"}, {"port": 8081}]),
        _ => {}
    }
    rule
}

fn peer(random: &mut Rng) -> Value {
    match random.usize(0..5) {
        0 => json!({"podSelector": selector(random)}),
        1 => json!({"namespaceSelector": namespaces(random)}),
        2 => json!({"namespaceSelector": namespaces(random), "podSelector": selector(random)}),
        3 => {
            json!({"ipBlock": {"cidr": "10.42.0.0/16", "except": [format!("10.42.{}.0/24", random.usize(0..3))]}})
        }
        _ => json!({"ipBlock": {"cidr": format!("10.42.{}.0/24", random.usize(0..3))}}),
    }
}

fn selector(random: &mut Rng) -> Value {
    match random.usize(0..5) {
        0 => json!({}),
        1 => json!({"matchLabels": {"app": "x"}}),
        2 => json!({"matchLabels": {"app": "y"}}),
        3 => json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}]}),
        _ => json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]}),
    }
}

fn namespaces(random: &mut Rng) -> Value {
    match random.usize(0..4) {
        0 => json!({}),
        1 => json!({"matchLabels": {"team": "red"}}),
        2 => json!({"matchLabels": {"kubernetes.io/metadata.name": NAMESPACES[random.usize(0..3)]}}),
        _ => json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}),
    }
}
