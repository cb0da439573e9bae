use serde_json::json;

use super::*;
use crate::kube::agents::agent;

fn pod(name: &str, node: &str, phase: &str, ready: bool) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"namespace": "flow-observer", "name": name},
        "spec": {"nodeName": node, "containers": []},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
    }))
    .unwrap()
}

fn found(pods: &[Pod], nodes: &[&str]) -> Vec<(String, String)> {
    let running: Vec<_> = pods.iter().filter_map(agent).collect();
    let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    absent(pods, &running, &nodes).into_iter().map(|a| (a.node.to_string(), a.reason)).collect()
}

#[test]
fn each_node_without_a_ready_agent_is_named_with_its_reason() {
    let pods = [
        pod("a1", "n1", "Running", true),
        pod("a2", "n2", "Running", false),
        pod("a3", "n3", "Pending", false),
    ];
    let reasons = [
        ("n2", "its agent's pod a2 is not ready, and may know only a part"),
        ("n3", "its agent's pod a3 is Pending"),
        ("n4", "no agent's pod is there"),
    ];
    let reasons = reasons.map(|(node, reason)| (node.to_owned(), reason.to_owned()));
    assert_eq!(found(&pods, &["n1", "n2", "n3", "n4"]), reasons);
    assert_eq!(found(&pods, &[]), reasons[..2], "also where the nodes can't be listed");
}

#[test]
fn a_pod_that_is_replaced_does_not_make_its_node_absent() {
    let pods = [pod("new", "n1", "Running", true), pod("old", "n1", "Failed", false)];
    assert_eq!(found(&pods, &["n1"]), []);
}
