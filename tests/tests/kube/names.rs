//! Pods are created, changed and deleted, and records name them. The same bodies run on the real server and on the
//! fake.

use lab::cluster::ServiceSpec;
use lab::kube::Api;
use lab::traffic::{Server, connect};

use crate::scene::{Scene, has_series, knows, record, synced};

#[test]
fn on_the_real_server() {
    let scene = Scene::real("node1");
    follow(&scene);
}

#[test]
fn on_the_fake() {
    let scene = Scene::fake();
    follow(&scene);
}

fn follow<S: Api>(scene: &Scene<S>) {
    let world = &scene.world;
    let store = world.pod("data", "store").unwrap();
    let _serving = Server::start(&store.ns, 8080).unwrap();
    let vip: std::net::IpAddr = "10.43.7.7".parse().unwrap();
    let spec =
        ServiceSpec { namespace: "data", name: "store", cluster_ips: &[vip], port: 80, target_port: 8080 };
    world.service(&spec, &store).unwrap();
    scene.sync();
    let agent = scene.agent(&[]);

    // Created.
    let front = world.pod("web", "front").unwrap();
    scene.sync();
    knows(&agent, "Pod", 2);
    agent
        .wait_for("the pod's name", |a| {
            drop(connect(&front.ns, store.at(8080)));
            a.flows("kind=attempt").ok()?.into_iter().find(|r| r["src"]["pod"] == front.name.as_str())
        })
        .unwrap();
    let (_open, seen) = record(&agent, &front, (vip, 80).into());
    assert_eq!(
        (&seen["src"]["namespace"], &seen["src"]["pod"]),
        (&"web".into(), &front.name.as_str().into()),
        "{seen}"
    );
    assert_eq!(seen["dst"]["service"], "data/store", "{seen}");
    assert_eq!(seen["dst"]["pod"], store.name.as_str(), "{seen}");

    // Changed. Of ReplicaSet and Deployment the agent knows only metadata.
    knows(&agent, "ReplicaSet", 2);
    assert_eq!(
        (&seen["src"]["workload"], &seen["src"]["kind"]),
        (&"front".into(), &"Deployment".into()),
        "{seen}"
    );
    let mut renamed = pod(scene, &front.namespace, &front.name);
    renamed["metadata"]["ownerReferences"][0]["kind"] = "StatefulSet".into();
    renamed["metadata"]["ownerReferences"][0]["name"] = "other".into();
    scene.api.apply(&[renamed]).unwrap();
    agent
        .wait_for("the changed owner", |_| {
            let (_open, seen) = record(&agent, &front, store.at(8080));
            (seen["src"]["workload"] == "other").then_some(())
        })
        .unwrap();

    // Deleted, and another pod gets the address.
    let host = front.host;
    scene.delete_pod(front);
    knows(&agent, "Pod", 1);
    let heir = world.pod_at(host, "other", "heir").unwrap();
    scene.sync();
    knows(&agent, "Pod", 2);
    agent
        .wait_for("the heir's name", |_| {
            let (_open, seen) = record(&agent, &heir, store.at(8080));
            (seen["src"]["pod"] == heir.name.as_str() && seen["src"]["namespace"] == "other").then_some(())
        })
        .unwrap();
    fallback(scene, &agent);
}

/// The fake has EndpointSlices. The real server is too old for them, so the agent reads Endpoints.
fn fallback<S: Api>(scene: &Scene<S>, agent: &lab::agent::Agent) {
    let old = scene.api.as_admin().get("/apis/discovery.k8s.io/v1").is_err();
    let (read, not) = if old { ("Endpoints", "EndpointSlice") } else { ("EndpointSlice", "Endpoints") };
    synced(agent, read, 1.0);
    assert!(!has_series(agent, not), "{not} is neither there nor needed");
    assert!(agent.metric("cluster_objects", &[("kind", read)]).unwrap() >= 1.0);
}

/// Returns the lab's object.
fn pod<S: Api>(scene: &Scene<S>, namespace: &str, name: &str) -> serde_json::Value {
    let file = scene.world.cluster.dir().join(format!("pod_{namespace}_{name}.yaml"));
    serde_yaml_ng::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}
