//! Objects that no reader expects.

use lab::agent::Agent;
use lab::kube::ApiServer;
use lab::kube::proxy::{Fault, Injected, On, Proxy};
use lab::traffic::Server;
use serde_json::{Value, json};

use crate::scene::{Scene, knows, lines, record};

/// Deletes a namespace with everything in it, as the namespace controller does.
fn delete_namespace(api: &ApiServer, name: &str) {
    api.kubectl(&["delete", "namespace", name, "--wait=false"], None).unwrap();
    for kind in ["pods", "services", "endpointslices", "networkpolicies", "replicasets"] {
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
    let scene = Scene::new("node1");
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
    let scene = Scene::new("node1");
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

/// No server stores them, so the proxy adds them to the watches. Readable objects are read, each of the others is
/// reported once, and repaired ones come back.
#[test]
fn objects_that_dont_fit_the_schema() {
    let scene = Scene::new("node1");
    let (store, front, _serving) = scene.store_and_front();
    let (agent, proxy) = scene.agent_behind_proxy(&[]);
    let (_open, seen) = record(&agent, &front, store.at(8080));
    assert_eq!(seen["verdict"]["decision"], "allow", "{seen}");
    let _odd: Vec<_> = odd()
        .into_iter()
        .chain([("/networkpolicies", unreadable_policy())])
        .map(|(path, object)| add(&proxy, path, &object))
        .collect();
    agent
        .wait_for("a verdict that allows for the policy", |_| {
            let seen = record(&agent, &front, store.at(8080)).1;
            assert_eq!(seen["src"]["pod"], front.name.as_str(), "{seen}");
            // A policy that can't be read may say anything.
            (seen["verdict"]["decision"] == "unknown").then_some(())
        })
        .unwrap();
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

/// It is there before the agent is, so that no watch shows it.
#[test]
fn an_unreadable_policy_in_the_first_list() {
    let scene = Scene::new("node1");
    let (store, front, _serving) = scene.store_and_front();
    let (proxy, kubeconfig) = scene.proxy();
    let lists = On::path("networking.k8s.io/v1/networkpolicies").lists();
    let listed = proxy.inject(lists, Fault::Listed(unreadable_policy()));
    let agent = scene.agent_with(&kubeconfig, &[]);
    listed.wait_hits(1).unwrap();
    agent
        .wait_for("a record with a name", |_| {
            let seen = record(&agent, &front, store.at(8080)).1;
            assert_ne!(seen["verdict"]["decision"], "allow", "{seen}");
            (seen["src"]["pod"] == front.name.as_str()).then_some(())
        })
        .unwrap();
    let seen = record(&agent, &front, store.at(8080)).1;
    assert_eq!(seen["verdict"]["decision"], "unknown", "{seen}");
    assert_eq!(lines(&agent, &["data/odd"]), 1, "{}", agent.log());

    drop(listed);
    scene.api.apply(&[lab::policy::admitting("data", "odd", &["web"])]).unwrap();
    agent
        .wait_for("the mended policy", |_| {
            let seen = record(&agent, &front, store.at(8080)).1;
            (seen["verdict"]["decision"] == "allow").then_some(())
        })
        .unwrap();
}

fn unreadable_policy() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": "data", "name": "odd"}, "spec": "a string",
    })
}

/// The objects are larger than a server accepts (its store's limit is 1.5 MB), and then larger than the agent's own limit
/// for a line. Neither affects later objects.
#[test]
fn huge_objects() {
    let scene = Scene::new("node1");
    let store = scene.world.pod("data", "store").unwrap();
    let _serving = Server::start(&store.ns, 8080).unwrap();
    scene.sync();
    let (agent, proxy) = scene.agent_behind_proxy(&[]);
    knows(&agent, "Pod", 1);
    for (name, size) in [("big", 6 << 20), ("bigger", 20 << 20)] {
        let _huge = add(&proxy, "/pods", &huge(name, size));
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

/// Adds an object to the agent's watch of its kind, and waits until it is on its way.
fn add(proxy: &Proxy, path: &str, object: &Value) -> Injected {
    let added = proxy.inject(On::path(path).watches().times(1), Fault::added(object));
    added.wait_hits(1).unwrap();
    added
}

/// Returns objects, each with the end of the path that lists its kind.
fn odd() -> Vec<(&'static str, Value)> {
    let pod = |name: &str, spec: Value, status: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "web", "name": name}, "spec": spec, "status": status});
    vec![
        ("/pods", pod("no-address", json!({}), json!({"podIP": "nowhere", "podIPs": "none"}))),
        ("/pods", pod("no-spec", json!(null), json!(7))),
        (
            "/services",
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "web", "name": "odd"}, "spec": {"ports": {"a": 1}}}),
        ),
        (
            "/nodes",
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "odd"}, "status": {"addresses": [[], 5]}}),
        ),
        (
            "/endpointslices",
            json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"namespace": "web", "name": "odd"}, "endpoints": [null], "addressType": 6,
            }),
        ),
    ]
}

fn huge(name: &str, size: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "web", "name": name, "annotations": {"huge": "x".repeat(size)}},
        "spec": {"nodeName": "node1", "containers": []}, "status": {"phase": "Pending"},
    })
}
