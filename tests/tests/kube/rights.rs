//! Kinds that the account may not read.

use lab::agent::Agent;
use lab::kube::{NAMESPACE, RBAC, User};
use serde_json::Value;

use crate::scene::{Scene, lines, record, stale, synced};

/// The rights in `deploy/`, without those for one kind.
pub(crate) fn without(group: &str, plural: &str) -> String {
    let text = std::fs::read_to_string(RBAC).unwrap();
    let mut documents = Vec::new();
    let mut taken = 0;
    for document in text.split("\n---\n") {
        let mut object: Value = serde_yaml_ng::from_str(document).unwrap();
        let of_group = |rule: &&mut Value| {
            rule["apiGroups"].as_array().is_some_and(|all| all.iter().any(|one| one == group))
        };
        for rule in object["rules"].as_array_mut().into_iter().flatten().filter(of_group) {
            if let Some(resources) = rule["resources"].as_array_mut() {
                let before = resources.len();
                resources.retain(|resource| resource != plural);
                taken += before - resources.len();
                if resources.is_empty() {
                    resources.push("nothing".into());
                }
            }
        }
        documents.push(serde_yaml_ng::to_string(&object).unwrap());
    }
    assert_eq!(taken, 1, "{plural} is granted once");
    documents.join("\n---\n")
}

#[test]
fn a_forbidden_kind_costs_its_verdicts_and_nothing_else() {
    let scene = Scene::new("node1");
    let (store, front, _serving) = scene.store_and_front();
    scene.api.apply(&[lab::policy::admitting("data", "lockdown", &["web"])]).unwrap();
    let kubeconfig = scene.api.agent().unwrap();
    let grant =
        |rights: &str| scene.api.kubectl(&["apply", "-n", NAMESPACE, "-f", "-"], Some(rights)).unwrap();
    grant(&without("networking.k8s.io", "networkpolicies"));
    // The server's own cache of the rights follows in a moment.
    let asked = scene.api.as_admin().with(&kubeconfig);
    let policies = "/apis/networking.k8s.io/v1/networkpolicies";
    lab::wait::until("the right to be gone", lab::wait::DEADLINE, || asked.get(policies).err()).unwrap();

    let agent = scene.agent_with(&kubeconfig, &[]);
    synced(&agent, "NetworkPolicy", 0.0);
    synced(&agent, "Pod", 1.0);
    let (_open, seen) = record(&agent, &front, store.at(8080));
    assert_eq!(seen["src"]["pod"], front.name.as_str(), "{seen}");
    assert_eq!(seen["verdict"]["decision"], "unknown", "no policy known is not no policy: {seen}");
    let why = stale(&agent, "NetworkPolicy").unwrap();
    assert!(why.contains("forbidden") && why.contains("ClusterRole"), "{why}");
    let seen = |agent: &Agent| lines(agent, &["NetworkPolicy", "forbidden"]);
    agent.wait_for("a line in the log", |agent| (seen(agent) == 1).then_some(())).unwrap();

    grant(&std::fs::read_to_string(RBAC).unwrap());
    synced(&agent, "NetworkPolicy", 1.0);
    assert_eq!(stale(&agent, "NetworkPolicy"), None);
    agent
        .wait_for("a verdict", |_| {
            let seen = record(&agent, &front, store.at(8080)).1;
            (seen["verdict"]["decision"] == "allow").then_some(())
        })
        .unwrap();
    assert_eq!(seen(&agent), 1, "{}", agent.log());
}

/// A token for another audience and a malformed one are reported, and the agent stays up.
#[test]
fn a_token_that_is_no_good() {
    let scene = Scene::new("node1");
    scene.sync();
    scene.api.agent().unwrap();
    let file = scene.world.guard.dir().join("token");
    std::fs::write(&file, "garbled").unwrap();
    let kubeconfig = scene.api.kubeconfig_with("garbled", User::TokenFile(file)).unwrap();
    let agent = scene.agent_with(&kubeconfig, &[]);
    synced(&agent, "Pod", 0.0);
    let why = stale(&agent, "Pod").unwrap();
    assert!(why.contains("unauthorized"), "{why}");
    assert!(!agent.log().contains("garbled"), "no token is logged");
}
