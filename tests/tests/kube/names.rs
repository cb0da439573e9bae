//! Pods are created, changed and deleted, and records name them.

use lab::cluster::ServiceSpec;
use lab::traffic::{Server, connect};

use crate::scene::{Scene, has_series, knows, record, synced};

#[test]
fn names_follow_the_cluster() {
    let scene = Scene::new("node1");
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
    let mut renamed = pod(&scene, &front.namespace, &front.name);
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

    // The backends come from slices, and nothing asks for Endpoints.
    synced(&agent, "EndpointSlice", 1.0);
    assert!(agent.metric("cluster_objects", &[("kind", "EndpointSlice")]).unwrap() >= 1.0);
    assert!(!has_series(&agent, "Endpoints"));
}

/// Returns the lab's object.
fn pod(scene: &Scene, namespace: &str, name: &str) -> serde_json::Value {
    let file = scene.world.cluster.dir().join(format!("pod_{namespace}_{name}.yaml"));
    serde_yaml_ng::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}
