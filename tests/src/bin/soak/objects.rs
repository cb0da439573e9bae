//! The Kubernetes objects of the soak.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use lab::node::Node;
use lab::pod::Pod;
use lab::policy::admitting;
use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "soak";
/// The workloads: clients and servers of the bursts, and pods that come and go.
pub(crate) const CLIENT: &str = "client";
pub(crate) const SERVER: &str = "server";
pub(crate) const FLEETING: &str = "fleeting";

const HASH: &str = "6b55489545";

/// Returns a name as the controller of Deployments gives it, never twice.
pub(crate) fn pod_name(workload: &str) -> String {
    static PODS: AtomicU64 = AtomicU64::new(0);
    format!("{workload}-{HASH}-{:05x}", PODS.fetch_add(1, Ordering::Relaxed))
}

/// Returns everything but pods and policies.
pub(crate) fn fixed(node: &Node) -> Vec<Value> {
    let mut all = vec![json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": metadata(None, NAMESPACE, &json!({"kubernetes.io/metadata.name": NAMESPACE})),
        "status": {"phase": "Active"},
    })];
    let cidrs = [format!("{}/24", node.pod_ip4(0)), format!("{}/64", node.pod_ip6(0))];
    all.push(json!({
        "apiVersion": "v1", "kind": "Node", "metadata": metadata(None, &node.name, &json!({})),
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
        "status": {"addresses": [{"type": "InternalIP", "address": node.ip4()}, {"type": "InternalIP", "address": node.ip6()}]},
    }));
    for workload in [CLIENT, SERVER, FLEETING] {
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": metadata(Some(NAMESPACE), &format!("{workload}-{HASH}"), &json!({})),
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": workload}}, "template": {
                "metadata": {"labels": {"app": workload}},
                "spec": {"containers": [{"name": "main", "image": "lab"}]},
            }},
        });
        set["metadata"]["ownerReferences"] = owner("Deployment", workload);
        all.push(set);
    }
    all
}

pub(crate) fn pod(node: &str, pod: &Pod) -> Value {
    let workload = pod.name.split('-').next().unwrap_or_default();
    let mut metadata = metadata(Some(&pod.namespace), &pod.name, &json!({"app": workload}));
    metadata["ownerReferences"] = owner("ReplicaSet", &format!("{workload}-{HASH}"));
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "lab"}]},
        "status": {
            "phase": "Running", "startTime": now(),
            "podIP": pod.ip4, "podIPs": [{"ip": pod.ip4}, {"ip": pod.ip6}],
        },
    })
}

/// Returns the policy as it is after this many changes: it admits the pods and does not, in turn.
pub(crate) fn policy(changes: u64) -> Value {
    let from: &[&str] = if changes.is_multiple_of(2) { &[NAMESPACE] } else { &["elsewhere"] };
    let mut policy = admitting(NAMESPACE, "servers", from);
    let spec = policy["spec"].take();
    let mut whole = json!({
        "apiVersion": policy["apiVersion"], "kind": policy["kind"],
        "metadata": metadata(Some(NAMESPACE), "servers", &json!({})), "spec": spec,
    });
    whole["metadata"]["generation"] = json!(changes + 1);
    whole["spec"]["podSelector"] = json!({"matchLabels": {"app": SERVER}});
    whole
}

fn metadata(namespace: Option<&str>, name: &str, labels: &Value) -> Value {
    let uid = format!("{:032x}", fastrand::u128(..));
    let uid = [&uid[..8], &uid[8..12], &uid[12..16], &uid[16..20], &uid[20..]].join("-");
    let mut metadata = json!({"name": name, "uid": uid, "creationTimestamp": now(), "labels": labels});
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

fn owner(kind: &str, name: &str) -> Value {
    json!([{
        "apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true,
        "uid": "4a9d1f1e-6f5e-4b39-9d57-0d2f7a1c5b11",
    }])
}

fn now() -> String {
    format!("{:.0}", Timestamp::now())
}
