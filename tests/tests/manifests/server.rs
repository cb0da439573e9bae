//! A real API server accepts every manifest unchanged, and grants the agent exactly what it reads.

use std::sync::Arc;

use lab::guard::Guard;
use lab::helm::Helm;
use lab::kube::{ApiServer, Place};
use lab::manifest::{self, ALL};
use lab::netns::Netns;
use lab::wait;
use serde_json::{Value, json};

use crate::chart::ALL_VALUES;

const CRDS: &str = "tests/fixtures/monitoring-crds.yaml";

struct Stage {
    api: ApiServer,
    _ns: Netns,
    _guard: Arc<Guard>,
}

impl Stage {
    fn new() -> Self {
        let guard = Guard::take().unwrap();
        let ns = Netns::new(&guard, "api").unwrap();
        let api = ApiServer::start(&Place::Inside(ns.clone()), &guard.dir().join("kube")).unwrap();
        Self { api, _ns: ns, _guard: guard }
    }

    /// Applies as users do; kubectl refuses fields that the server's schema doesn't have.
    fn apply(&self, dir: &str) {
        let path = manifest::checkout("deploy").join(dir);
        self.api.kubectl(&["apply", "--validate=true", "-k", &path.to_string_lossy()], None).unwrap();
    }

    fn crds(&self) {
        let path = manifest::checkout(CRDS);
        self.api.kubectl(&["apply", "-f", &path.to_string_lossy()], None).unwrap();
        for kind in ["podmonitors", "servicemonitors", "prometheusrules"] {
            let served = || self.api.as_admin().get(&format!("/apis/monitoring.coreos.com/v1/{kind}")).ok();
            wait::until("the operator's kinds", wait::DEADLINE, served).unwrap();
        }
    }

    fn stored(&self, object: &Value) -> Value {
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        let args = ["get", kind, name, "-n", "flow-observer", "-o", "json"];
        serde_json::from_str(&self.api.kubectl(&args, None).unwrap()).unwrap()
    }

    /// Returns the answer of a SubjectAccessReview.
    fn may(&self, spec: &Value) -> bool {
        let review =
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let answer =
            self.api.kubectl(&["create", "--raw", path, "-f", "-"], Some(&review.to_string())).unwrap();
        serde_json::from_str::<Value>(&answer).unwrap()["status"]["allowed"] == true
    }

    fn agent_may(&self, verb: &str, group: &str, resource: &str) -> bool {
        self.may(&json!({
            "user": "system:serviceaccount:flow-observer:flow-observer",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:flow-observer", "system:authenticated"],
            "resourceAttributes": {"verb": verb, "group": group, "resource": resource},
        }))
    }
}

/// Checks that all of `wanted` is in `stored`, which also has the server's defaults. Quantities keep their spelling.
fn kept(wanted: &Value, stored: &Value, path: &str) {
    match (wanted, stored) {
        (Value::Object(wanted), Value::Object(stored)) => {
            for (key, value) in wanted {
                let path = format!("{path}.{key}");
                kept(value, stored.get(key).unwrap_or_else(|| panic!("{path} is gone")), &path);
            }
        }
        (Value::Array(wanted), Value::Array(stored)) => {
            assert_eq!(wanted.len(), stored.len(), "{path}");
            for (at, (wanted, stored)) in wanted.iter().zip(stored).enumerate() {
                kept(wanted, stored, &format!("{path}[{at}]"));
            }
        }
        _ => assert_eq!(wanted, stored, "{path}"),
    }
}

#[test]
fn every_manifest_is_taken_as_it_is() {
    let stage = Stage::new();
    stage.crds();
    for dir in ALL {
        stage.apply(dir);
        for object in manifest::render(dir).unwrap() {
            kept(&object, &stage.stored(&object), &format!("{dir}: {}", object["kind"]));
        }
    }
}

/// By default the chart's objects are those of the directories, which `chart.rs` compares without a server.
#[test]
fn the_chart_with_every_switch_is_taken_as_it_is() {
    let stage = Stage::new();
    stage.crds();
    let objects = Helm::from_env().unwrap().template(ALL_VALUES).unwrap();
    for object in &objects {
        // In Helm's order the namespace comes before what is in it.
        stage.api.kubectl(&["apply", "--validate=true", "-f", "-"], Some(&object.to_string())).unwrap();
    }
    for object in &objects {
        kept(object, &stage.stored(object), &object["kind"].to_string());
    }
}

#[test]
fn the_agent_may_read_what_it_reads_and_nothing_else() {
    const READ: [(&str, &str); 14] = [
        ("", "pods"),
        ("", "namespaces"),
        ("", "services"),
        ("", "nodes"),
        ("", "events"),
        ("apps", "replicasets"),
        ("batch", "jobs"),
        ("discovery.k8s.io", "endpointslices"),
        ("networking.k8s.io", "networkpolicies"),
        ("policy.networking.k8s.io", "adminnetworkpolicies"),
        ("policy.networking.k8s.io", "baselineadminnetworkpolicies"),
        ("policy.networking.k8s.io", "clusternetworkpolicies"),
        ("metallb.io", "servicel2statuses"),
        ("coordination.k8s.io", "leases"),
    ];
    let stage = Stage::new();
    stage.apply("base");
    for (group, resource) in READ {
        for verb in ["get", "list", "watch"] {
            assert!(stage.agent_may(verb, group, resource), "{verb} {resource}.{group}");
        }
        let writes: &[&str] =
            if resource == "events" { &["update", "delete"] } else { &["create", "patch", "delete"] };
        for verb in writes {
            assert!(!stage.agent_may(verb, group, resource), "{verb} {resource}.{group}");
        }
    }
    for (verb, group, resource, allowed) in [
        ("create", "", "events", true),
        ("patch", "", "events", true),
        ("create", "events.k8s.io", "events", false),
        ("create", "authentication.k8s.io", "tokenreviews", true),
        ("create", "authorization.k8s.io", "subjectaccessreviews", true),
        ("list", "", "secrets", false),
        ("list", "", "endpoints", false),
        ("list", "", "configmaps", false),
        ("create", "", "pods/exec", false),
        ("create", "", "serviceaccounts/token", false),
    ] {
        assert_eq!(stage.agent_may(verb, group, resource), allowed, "{verb} {resource}.{group}");
    }
}

/// Only bound users are readers, and the role allows only the API.
#[test]
fn readers_read_the_api_only() {
    let stage = Stage::new();
    stage.apply("base");
    let alice = |verb: &str, path: &str| {
        stage.may(&json!({"user": "alice", "nonResourceAttributes": {"verb": verb, "path": path}}))
    };
    assert!(!alice("get", "/api/v1/flows"), "not bound yet");
    let binding =
        ["create", "clusterrolebinding", "readers", "--clusterrole=flow-observer-reader", "--user=alice"];
    stage.api.kubectl(&binding, None).unwrap();
    let bound = || alice("get", "/api/v1/flows").then_some(());
    wait::until("the binding", wait::DEADLINE, bound).unwrap();
    assert!(alice("post", "/api/v1/explain"));
    assert!(!alice("delete", "/api/v1/flows") && !alice("get", "/metrics") && !alice("get", "/apis"));
}
