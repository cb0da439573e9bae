//! `flow-observer doctor --all-nodes` on a real API server: which nodes have no agent, and what a user may learn.

use std::path::Path;
use std::process::Command;

use lab::kube::{ApiServer, NAMESPACE};
use serde_json::{Value, json};

use crate::stage;

fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
}

/// An agent's pod as a kubelet reports it. Nothing listens behind it: there is no kubelet.
fn agent(node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": NAMESPACE, "name": format!("agent-{node}"), "labels": {"app.kubernetes.io/name": "flow-observer"}},
        "spec": {"nodeName": node, "containers": [{"name": "agent", "image": "flow-observer"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// Lets an account list pods, as `--all-nodes` needs at least.
fn lister(name: &str) -> [Value; 2] {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "namespace": NAMESPACE, "name": name}],
    });
    [role, binding]
}

/// Returns the exit code, and for each check its node, status and finding.
fn doctor(api: &ApiServer, kubeconfig: &Path) -> (Option<i32>, Vec<[String; 3]>) {
    let mut command = Command::new(lab::agent::binary().unwrap());
    command.args(["doctor", "--all-nodes", "-o", "json", "--kubeconfig"]).arg(kubeconfig);
    let output = api.place().run(|| command.output()).unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let of = |check: &Value| {
        ["node", "status", "found"].map(|field| check[field].as_str().unwrap_or_default().to_owned())
    };
    (output.status.code(), report["checks"].as_array().unwrap().iter().map(of).collect())
}

#[test]
fn nodes_without_an_agent_are_named_where_the_user_may_list_nodes() {
    let stage = stage::start();
    let api = &stage.api;
    api.apply(&[stage::namespace(NAMESPACE, &[]), node("n1"), node("n2")]).unwrap();
    api.apply(&[agent("n1")]).unwrap();
    let (code, checks) = doctor(api, &api.admin());
    assert_eq!(code, Some(2), "the agent on n1 can't be asked: {checks:?}");
    let [one, two] = &checks[..] else { panic!("{checks:?}") };
    assert_eq!((one[0].as_str(), one[1].as_str()), ("n1", "fail"), "{checks:?}");
    assert_eq!(*two, ["n2", "warn", "no agent's pod is there"]);

    api.apply(&lister("lister")).unwrap();
    api.account(NAMESPACE, "lister").unwrap();
    let kubeconfig = api.kubeconfig_for_service_account(NAMESPACE, "lister").unwrap();
    let asked = || {
        let (_, checks) = doctor(api, &kubeconfig);
        checks.iter().any(|[_, _, found]| found.contains("may not list nodes")).then_some(checks)
    };
    let checks = lab::wait::until("the user's rights", lab::wait::DEADLINE, asked).unwrap();
    assert_eq!(checks.iter().map(|check| check[0].as_str()).collect::<Vec<_>>(), ["n1", ""], "{checks:?}");
}
