//! The pods that connect to each other in scenarios.

use serde_json::{Value, json};

/// Returns a pod on a node that echoes lines on the ports 8080 (`http`) and 8081 (`alt`), and has the program `/peer`.
#[must_use]
pub fn peer(namespace: &str, name: &str, labels: &Value, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {
            "nodeName": node, "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "peer", "image": "localhost/peer:1", "imagePullPolicy": "Never", "args": ["serve", ":8080", ":8081"],
                "ports": [{"name": "http", "containerPort": 8080}, {"name": "alt", "containerPort": 8081}],
            }],
        },
    })
}
