//! Kinds that are installed after the agent, and removed before it.

use lab::agent::Agent;
use lab::cluster::{Balancer, ServiceSpec};
use lab::kube::ApiServer;
use lab::traffic::Server;
use serde_json::{Value, json};

use crate::scene::{Scene, has_series, record, synced};

const L2: &str = include_str!("../../src/kube/crds/servicel2statuses.yaml");
const ADMIN: &str = include_str!("../../src/kube/crds/adminnetworkpolicies.yaml");

pub(crate) fn install(api: &ApiServer, crd: &str) {
    api.kubectl(&["apply", "-f", "-"], Some(crd)).unwrap();
    let established =
        || api.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=5s"], None).ok();
    lab::wait::until("the CRD to be established", lab::wait::DEADLINE, established).unwrap();
}

pub(crate) fn uninstall(api: &ApiServer, crd: &str) {
    api.kubectl(&["delete", "--wait=false", "-f", "-"], Some(crd)).unwrap();
}

pub(crate) fn is_forgotten(agent: &Agent, kind: &str) {
    agent.wait_for("the kind to be forgotten", |a| (!has_series(a, kind)).then_some(())).unwrap();
}

#[test]
fn l2_statuses_and_admin_policies() {
    let scene = Scene::new("node1");
    let world = &scene.world;
    let store = world.pod("data", "store").unwrap();
    let front = world.pod("web", "front").unwrap();
    let _serving = Server::start(&store.ns, 8080).unwrap();
    let (cluster_ip, vip) = ("10.43.7.7".parse().unwrap(), "10.0.20.200".parse().unwrap());
    let service = ServiceSpec {
        namespace: "data",
        name: "store",
        cluster_ips: &[cluster_ip],
        port: 80,
        target_port: 8080,
    };
    world.cluster.balancer(&Balancer { service, vips: &[vip], local: false }, &[&store]).unwrap();
    world.cluster.namespace("metallb-system").unwrap();
    scene.sync();
    let agent = scene.agent(&[]);
    for kind in ["ServiceL2Status", "AdminNetworkPolicy"] {
        assert!(!has_series(&agent, kind), "{kind} is not there");
    }

    install(&scene.api, L2);
    install(&scene.api, ADMIN);
    synced(&agent, "ServiceL2Status", 1.0);
    synced(&agent, "AdminNetworkPolicy", 1.0);
    world.cluster.l2_status("l2-abcde", ("data", "store"), "node1").unwrap();
    scene.sync();
    let announced = |vip: &Value| {
        vip["api"].as_array().is_some_and(|api| api.iter().any(|c| c["object"] == "metallb-system/l2-abcde"))
    };
    agent.wait_for("the status", |a| a.vip(vip).ok()?.filter(announced)).unwrap();
    scene.api.apply(&[deny()]).unwrap();
    decides(&agent, || record(&agent, &front, store.at(8080)).1, "deny");

    uninstall(&scene.api, ADMIN);
    is_forgotten(&agent, "AdminNetworkPolicy");
    decides(&agent, || record(&agent, &front, store.at(8080)).1, "allow");
    uninstall(&scene.api, L2);
    is_forgotten(&agent, "ServiceL2Status");
    agent.wait_for("the status to be forgotten", |a| a.vip(vip).ok()?.filter(|vip| !announced(vip))).unwrap();
}

fn decides(agent: &Agent, connect: impl Fn() -> Value, wanted: &str) {
    agent
        .wait_for(&format!("the verdict {wanted}"), |_| {
            (connect()["verdict"]["decision"] == wanted).then_some(())
        })
        .unwrap();
}

fn deny() -> Value {
    json!({
        "apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy",
        "metadata": {"name": "lockdown"},
        "spec": {
            "priority": 10,
            "subject": {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "data"}}},
            "ingress": [{"name": "nobody", "action": "Deny", "from": [{"namespaces": {}}]}],
        },
    })
}
