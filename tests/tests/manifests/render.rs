//! Checks of the manifests without a cluster.

use lab::manifest::{self, ALL};

#[test]
fn every_directory_renders_one_agent() {
    for dir in ALL {
        let objects = manifest::render(dir).unwrap();
        let agents = objects.iter().filter(|o| o["kind"] == "DaemonSet").count();
        assert_eq!(agents, 1, "{dir}");
        manifest::agent(&objects).unwrap_or_else(|e| panic!("{dir}: {e:#}"));
    }
}

#[test]
fn names_are_those_that_the_docs_and_commands_use() {
    for dir in ALL {
        for object in manifest::render(dir).unwrap() {
            let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
            let expected = if kind == "ClusterRole" && name != "flow-observer" {
                "flow-observer-reader"
            } else {
                "flow-observer"
            };
            assert_eq!(name, expected, "{dir}: {object}");
            let cluster_wide = ["Namespace", "ClusterRole", "ClusterRoleBinding"].iter().any(|k| kind == k);
            let namespace = object["metadata"]["namespace"].as_str();
            assert_eq!(namespace, (!cluster_wide).then_some("flow-observer"), "{dir}: {object}");
        }
    }
}

/// The image's tag is the version of `cargo xtask image`, and variables of Services can't change the agent's settings.
#[test]
fn the_agent_is_of_this_version() {
    for dir in ALL {
        let objects = manifest::render(dir).unwrap();
        let agent = manifest::agent(&objects).unwrap();
        assert_eq!(agent.image, concat!("localhost/flow-observer:", env!("CARGO_PKG_VERSION")), "{dir}");
        let daemon_set = objects.iter().find(|o| o["kind"] == "DaemonSet").unwrap();
        let pod = &daemon_set["spec"]["template"]["spec"];
        assert_eq!(pod["enableServiceLinks"], false, "{dir}");
        assert_eq!(pod["tolerations"], serde_json::json!([{ "operator": "Exists" }]), "{dir}");
        let env = pod["containers"][0]["env"].as_array().unwrap();
        let node = env.iter().find(|variable| variable["name"] == "FLOW_OBSERVER_NODE_NAME").unwrap();
        assert_eq!(node["valueFrom"]["fieldRef"]["fieldPath"], "spec.nodeName", "{dir}");
    }
}
