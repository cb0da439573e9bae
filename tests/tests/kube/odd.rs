//! Objects that no reader expects.

use lab::agent::Agent;
use lab::kube::{Api, ApiServer};
use lab::traffic::Server;
use serde_json::{Value, json};

use crate::scene::{Scene, knows, lines, record};

/// Deletes a namespace with everything in it, as the namespace controller does.
fn delete_namespace(api: &ApiServer, name: &str) {
    api.kubectl(&["delete", "namespace", name, "--wait=false"], None).unwrap();
    for kind in ["pods", "services", "endpoints", "networkpolicies", "replicasets"] {
        let args = ["delete", kind, "--all", "-n", name, "--grace-period=0", "--force", "--wait=false"];
        api.kubectl(&args, None).unwrap();
    }
    let mut namespace = api.as_admin().get(&format!("/api/v1/namespaces/{name}")).unwrap();
    namespace["spec"]["finalizers"] = json!([]);
    let path = format!("/api/v1/namespaces/{name}/finalize");
    api.kubectl(&["replace", "--raw", &path, "-f", "-"], Some(&namespace.to_string())).unwrap();
}

#[test]
fn a_namespace_that_goes_under_us() {
    let scene = Scene::real("node1");
    let (store, front, _serving) = scene.store_and_front();
    scene.api.apply(&[lab::policy::admitting("data", "lockdown", &["batch"])]).unwrap();
    let agent = scene.agent(&[]);
    let namespaces = agent.metric("cluster_objects", &[("kind", "Namespace")]).unwrap();
    let (_open, seen) = record(&agent, &front, store.at(8080));
    assert_eq!(seen["verdict"]["decision"], "deny", "{seen}");
    delete_namespace(&scene.api, "data");
    agent.wait_metric("cluster_objects", &[("kind", "Namespace")], namespaces - 1.0).unwrap();
    knows(&agent, "Pod", 1);
    knows(&agent, "NetworkPolicy", 0);
    agent
        .wait_for("a record without the policy", |_| {
            let seen = record(&agent, &front, store.at(8080)).1;
            (seen["verdict"]["decision"] != "deny").then_some(())
        })
        .unwrap();
}

/// A new hostname leads to another Node with the same address, and the old one is deleted.
#[test]
fn a_node_that_is_renamed() {
    let scene = Scene::real("node1");
    let (store, front, _serving) = scene.store_and_front();
    let agent = scene.agent(&[]);
    knows(&agent, "Node", 1);
    let mut node = scene.api.as_admin().get("/api/v1/nodes/node1").unwrap();
    node["metadata"] = json!({"name": "node1-new"});
    scene.api.apply(&[node.clone()]).unwrap();
    knows(&agent, "Node", 2);
    let seen = |agent: &Agent, what: &str| lines(agent, &[what, "node1"]);
    let (gone, back) = ("has no node of this name", "has this node again");
    assert_eq!(seen(&agent, gone), 0, "{}", agent.log());
    scene.api.kubectl(&["delete", "node", "node1"], None).unwrap();
    agent.wait_for("a line in the log", |agent| (seen(agent, gone) == 1).then_some(())).unwrap();
    assert_eq!(lines(&agent, &[gone, "node1-new", "--node-name"]), 1, "{}", agent.log());
    let told_of = record(&agent, &front, store.at(8080)).1;
    assert_eq!(told_of["src"]["pod"], front.name.as_str(), "names stay: {told_of}");
    node["metadata"] = json!({"name": "node1"});
    scene.api.apply(&[node]).unwrap();
    agent.wait_for("a line in the log", |agent| (seen(agent, back) == 1).then_some(())).unwrap();
    assert_eq!(seen(&agent, gone), 1, "{}", agent.log());
}

/// Only the fake accepts them. Readable objects are read, each of the others is reported once, and repaired ones come
/// back.
#[test]
fn objects_that_dont_fit_the_schema() {
    let scene = Scene::fake();
    let (store, front, _serving) = scene.store_and_front();
    let policy = |spec: Value| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"namespace": "data", "name": "odd"}, "spec": spec,
        })
    };
    scene.api.apply(&[policy(json!("a string"))]).unwrap();
    scene.api.apply(&odd()).unwrap();
    let agent = scene.agent(&[]);
    let (_open, seen) = record(&agent, &front, store.at(8080));
    assert_eq!(seen["src"]["pod"], front.name.as_str(), "{seen}");
    assert_eq!(
        seen["verdict"]["decision"], "unknown",
        "a policy that can't be read may say anything: {seen}"
    );
    assert!(lines(&agent, &["data/odd"]) <= 1, "{}", agent.log());

    let mended = lab::policy::admitting("data", "odd", &["web"]);
    scene.api.apply(&[mended]).unwrap();
    agent
        .wait_for("the mended policy", |_| {
            let seen = record(&agent, &front, store.at(8080)).1;
            (seen["verdict"]["decision"] == "allow").then_some(())
        })
        .unwrap();
}

/// The objects are larger than a real server accepts (its store's limit is 1.5 MB), and then larger than the agent's
/// own limit for a line. Neither affects later objects.
#[test]
fn huge_objects() {
    let scene = Scene::fake();
    let store = scene.world.pod("data", "store").unwrap();
    let _serving = Server::start(&store.ns, 8080).unwrap();
    scene.sync();
    let agent = scene.agent(&[]);
    for (name, size) in [("big", 6 << 20), ("bigger", 20 << 20)] {
        scene.api.apply(&[huge(name, size)]).unwrap();
        let after = scene.world.pod("web", name).unwrap();
        scene.sync();
        agent
            .wait_for(&format!("the pod after {name}"), |_| {
                let seen = record(&agent, &after, store.at(8080)).1;
                (seen["src"]["pod"] == after.name.as_str()).then_some(())
            })
            .unwrap();
    }
}

fn odd() -> Vec<Value> {
    let pod = |name: &str, spec: Value, status: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "web", "name": name}, "spec": spec, "status": status});
    vec![
        pod("no-address", json!({}), json!({"podIP": "nowhere", "podIPs": "none"})),
        pod("no-spec", json!(null), json!(7)),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "web", "name": "odd"}, "spec": {"ports": {"a": 1}}}),
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "odd"}, "status": {"addresses": [[], 5]}}),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": "web", "name": "odd"}, "endpoints": [null], "addressType": 6,
        }),
    ]
}

fn huge(name: &str, size: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "web", "name": name, "annotations": {"huge": "x".repeat(size)}},
        "spec": {"nodeName": "node1", "containers": []}, "status": {"phase": "Pending"},
    })
}
