use serde_json::{Value, json};

use super::*;

fn example() -> Value {
    json!({
        "version": 1, "node": "archbox", "time": "2026-11-21T02:53:08Z", "news": [1],
        "inventory": {"pods": [], "services": [], "nodes": [], "namespaces": [], "objects": {}, "gateways": []},
        "flows": [{
            "src": {"ip": "10.42.0.10", "namespace": "pal-e-docs", "pod": "pal-e-docs-6b-v4", "workload": "pal-e-docs",
                    "kind": "Deployment", "labels": {"app": "docs"}, "node": "archbox", "mood": "good"},
            "dst": {"ip": "10.42.0.12", "service": "postgres/rw"},
            "port": 5432, "service_port": 15432, "protocol": "TCP", "count": 3, "open": 1,
            "first_seen": "2026-11-20T02:53:08Z", "last_seen": "2026-11-21T02:53:08Z",
        }],
        "lost": 7,
    })
}

fn read(json: &Value) -> Result<Baseline, BaselineError> {
    Baseline::from_json(json.to_string().as_bytes())
}

#[test]
fn fields_of_a_newer_agent_are_passed_over() {
    let baseline = read(&example()).unwrap();
    let flow = &baseline.flows[0];
    assert_eq!((flow.port, flow.service_port, flow.count, flow.open), (5432, Some(15432), 3, 1));
    assert_eq!(baseline.lost, 7);
    let again = Baseline::from_json(&serde_json::to_vec(&baseline).unwrap()).unwrap();
    assert_eq!(again, baseline);
}

#[test]
fn what_is_no_baseline_says_so() {
    for (json, says) in [
        (json!([]), "not the answer of /api/v1/snapshot"),
        (json!({"pairs": []}), "missing field `version`"),
        (json!({"version": 2, "flows": "in another way"}), "version is 2"),
        (json!({"version": 1, "node": "n"}), "can't be read: missing field `time`"),
    ] {
        let error = read(&json).unwrap_err().to_string();
        assert!(error.contains(says), "{json}: {error}");
    }
    assert!(matches!(Baseline::from_json(b"version: 1\n"), Err(BaselineError::NotOne(_))));
}

#[test]
fn a_pod_that_is_gone_can_still_be_judged() {
    let baseline = read(&example()).unwrap();
    let pod = baseline.flows[0].src.to_pod().unwrap();
    assert_eq!(
        (&*pod.namespace, &*pod.name, &*pod.workload.name),
        ("pal-e-docs", "pal-e-docs-6b-v4", "pal-e-docs")
    );
    assert_eq!(pod.labels.get("app").map(|v| &**v), Some("docs"));
    assert_eq!(pod.ips, ["10.42.0.10".parse::<IpAddr>().unwrap()]);
    assert_eq!(baseline.flows[0].dst.to_pod(), None, "an address is no pod");
    let unlabelled = BaselineEnd { labels: None, ..baseline.flows[0].src.clone() };
    assert_eq!(unlabelled.to_pod(), None, "without labels there is nothing to judge by");
}
