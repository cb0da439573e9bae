//! Policies of other projects on a real API server.

use lab::kube::{NAMESPACE, RBAC};
use serde_json::json;

use crate::later::{install, is_forgotten, uninstall};
use crate::rights::without;
use crate::scene::{Scene, has_series, lines, record, stale, synced};

const CILIUM: &str = include_str!("../../src/kube/crds/ciliumnetworkpolicies.yaml");
const KIND: &str = "CiliumNetworkPolicy";

#[test]
fn a_policy_of_another_project_makes_the_verdict_unknown() {
    let scene = Scene::new("node1");
    let (store, front, _serving) = scene.store_and_front();
    let kubeconfig = scene.api.agent().unwrap();
    let agent = scene.agent_with(&kubeconfig, &[]);
    let verdict = || record(&agent, &front, store.at(8080)).1["verdict"].clone();
    assert_eq!(verdict()["decision"], "allow");
    assert!(!has_series(&agent, KIND), "it is not there");

    install(&scene.api, CILIUM);
    synced(&agent, KIND, 1.0);
    assert_eq!(verdict()["decision"], "allow", "a kind without objects concerns nobody");
    let policy = json!({
        "apiVersion": "cilium.io/v2", "kind": KIND, "metadata": {"name": "lockdown", "namespace": "data"},
        "spec": {"endpointSelector": {}, "ingress": [{"fromEntities": ["cluster"]}]},
    });
    scene.api.apply(&[policy]).unwrap();
    let seen = agent
        .wait_for("an unknown verdict", |_| {
            Some(verdict()).filter(|verdict| verdict["decision"] == "unknown")
        })
        .unwrap();
    assert!(seen.to_string().contains("data/lockdown"), "the reason names it: {seen}");
    assert_eq!(lines(&agent, &["Cilium", "aren't judged"]), 1, "{}", agent.log());

    let grant =
        |rights: &str| scene.api.kubectl(&["apply", "-n", NAMESPACE, "-f", "-"], Some(rights)).unwrap();
    scene.api.kubectl(&["delete", "-n", "data", "ciliumnetworkpolicy", "lockdown"], None).unwrap();
    agent.wait_for("a verdict", |_| (verdict()["decision"] == "allow").then_some(())).unwrap();
    grant(&without("cilium.io", "ciliumnetworkpolicies"));
    let asked = scene.api.as_admin().with(&kubeconfig);
    let path = "/apis/cilium.io/v2/ciliumnetworkpolicies";
    lab::wait::until("the right to be gone", lab::wait::DEADLINE, || asked.get(path).err()).unwrap();
    drop(agent);
    let agent = scene.agent_with(&kubeconfig, &[]);
    synced(&agent, KIND, 0.0);
    let seen = record(&agent, &front, store.at(8080)).1;
    assert_eq!(seen["verdict"]["decision"], "unknown", "{seen}");
    let why = stale(&agent, KIND).unwrap();
    assert!(why.contains("forbidden") && why.contains("ClusterRole"), "{why}");

    grant(&std::fs::read_to_string(RBAC).unwrap());
    synced(&agent, KIND, 1.0);
    uninstall(&scene.api, CILIUM);
    is_forgotten(&agent, KIND);
    let allowed =
        |_: &_| (record(&agent, &front, store.at(8080)).1["verdict"]["decision"] == "allow").then_some(());
    agent.wait_for("a verdict", allowed).unwrap();
}
