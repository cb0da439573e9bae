//! `flow-observer snapshot` of a real API server, and its file as `explain` reads it.

use std::path::Path;
use std::process::{Command, Output};

use lab::kube::NAMESPACE;
use serde_json::Value;

use crate::rights::without;
use crate::scene::Scene;

/// Runs the program where the API server can be reached.
fn program(scene: &Scene, args: &[&str]) -> Output {
    let mut command = Command::new(lab::agent::binary().unwrap());
    command.args(args).env_remove("KUBECONFIG");
    scene.world.node.ns.run(|| command.output()).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn taken(scene: &Scene, kubeconfig: &Path, file: &Path) -> (Value, String) {
    let args = ["snapshot", "--kubeconfig", kubeconfig.to_str().unwrap(), file.to_str().unwrap()];
    let output = program(scene, &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    (serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap(), text(&output.stderr))
}

#[test]
fn a_snapshot_answers_as_the_server_does() {
    let scene = Scene::new("node1");
    let (store, front, _serving) = scene.store_and_front();
    scene.api.apply(&[lab::policy::admitting("data", "lockdown", &["batch"])]).unwrap();
    let kubeconfig = scene.api.agent().unwrap();
    let file = scene.world.guard.dir().join("cluster.json");
    let (snapshot, notes) = taken(&scene, &kubeconfig, &file);
    assert!(!notes.contains("warning") && snapshot["missing"].is_null(), "{notes}");
    assert!(!snapshot.to_string().contains("managedFields"));
    let cluster = format!("dir:{}", file.display());
    let (from, to) = (format!("web/{}", front.name), format!("data/{}:8080", store.name));
    let explained = |cluster: &str| {
        let kubeconfig = kubeconfig.to_str().unwrap();
        let args = ["explain", "--cluster", cluster, "--kubeconfig", kubeconfig, "-o", "json", &from, &to];
        let output = program(&scene, &args);
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
    };
    let answer = explained(&cluster);
    assert_eq!(answer["decision"], "deny", "{answer}");
    assert_eq!(answer, explained("kube"));

    let rights = without("networking.k8s.io", "networkpolicies");
    scene.api.kubectl(&["apply", "-n", NAMESPACE, "-f", "-"], Some(&rights)).unwrap();
    let asked = scene.api.as_admin().with(&kubeconfig);
    let policies = "/apis/networking.k8s.io/v1/networkpolicies";
    lab::wait::until("the right to be gone", lab::wait::DEADLINE, || asked.get(policies).err()).unwrap();
    let (snapshot, notes) = taken(&scene, &kubeconfig, &file);
    assert!(notes.contains("warning: NetworkPolicy missing: forbidden"), "{notes}");
    assert_eq!(snapshot["missing"][0]["what"], "NetworkPolicy");
    assert_eq!(explained(&cluster)["decision"], "unknown");
}
