//! The API server stops and starts again while the agent runs.

use crate::scene::{Scene, knows, lines, record, stale, synced};

#[test]
fn names_outlive_the_server_and_catch_up_with_it() {
    let mut scene = Scene::new("node1");
    let (store, front, _serving) = scene.store_and_front();
    let (agent, proxy) = scene.agent_behind_proxy(&[]);
    let name = front.name.clone();
    let named = |record: &serde_json::Value| {
        assert_eq!(
            (&record["src"]["pod"], &record["dst"]["pod"]),
            (&name.as_str().into(), &store.name.as_str().into()),
            "{record}"
        );
    };
    named(&record(&agent, &front, store.at(8080)).1);

    proxy.close();
    scene.api.kill();
    for kind in ["Pod", "NetworkPolicy", "Namespace"] {
        synced(&agent, kind, 0.0);
        assert!(stale(&agent, kind).is_some(), "{kind} is not reported");
    }
    named(&record(&agent, &front, store.at(8080)).1);
    agent
        .wait_for("a line in the log", |a| (lines(a, &["can't be followed", "Pod"]) > 0).then_some(()))
        .unwrap();

    // While the agent can't see it, a pod is deleted and another one gets its address.
    scene.api.restart().unwrap();
    let host = front.host;
    scene.delete_pod(front);
    let heir = scene.world.pod_at(host, "web", "heir").unwrap();
    scene.sync();
    named(&record(&agent, &heir, store.at(8080)).1);
    proxy.open().unwrap();
    for kind in ["Pod", "NetworkPolicy", "Namespace"] {
        synced(&agent, kind, 1.0);
        assert_eq!(stale(&agent, kind), None);
    }
    knows(&agent, "Pod", 2);
    agent
        .wait_for("the heir's name", |_| {
            let seen = record(&agent, &heir, store.at(8080)).1;
            (seen["src"]["pod"] == heir.name.as_str()).then_some(())
        })
        .unwrap();
    assert_eq!(lines(&agent, &["can't be followed", "Pod"]), 1, "one line: {}", agent.log());
    assert_eq!(lines(&agent, &["ERROR"]), 0, "libraries keep still: {}", agent.log());
}
