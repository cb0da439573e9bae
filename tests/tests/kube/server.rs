//! The harness of the real server.

use lab::kube::{Api, Mirror, NAMESPACE, Token, User};
use lab::kube::{ApiServer, Place};
use lab::world::World;

use crate::stage::{self, namespace};

/// All cases share one server, since a start takes seconds.
#[test]
fn the_harness_gives_what_it_promises() {
    let mut stage = stage::real();
    it_is_the_one_that_debian_has(&stage.api);
    rights_and_tokens_are_real(&stage.api);
    objects_survive_a_kill(&mut stage.api);
}

/// The server has the documented version, and lacks the features that the tests expect to be missing.
fn it_is_the_one_that_debian_has(api: &ApiServer) {
    let kubectl = api.as_admin();
    let version = kubectl.get("/version").unwrap();
    assert_eq!(version["gitVersion"], "v1.20.2", "{version}");
    kubectl.get("/apis/discovery.k8s.io/v1").unwrap_err();
    kubectl.get("/apis/discovery.k8s.io/v1beta1").unwrap();
}

fn rights_and_tokens_are_real(api: &ApiServer) {
    let agent = api.as_admin().with(&api.agent().unwrap());
    agent.get("/apis/networking.k8s.io/v1/networkpolicies").unwrap();
    let error = format!("{:#}", agent.get("/api/v1/secrets").unwrap_err());
    assert!(error.contains("Forbidden"), "{error}");
    agent.run(&["create", "-f", "-"], Some(&namespace("mine", &[]).to_string())).unwrap_err();

    let foreign = Token { audience: Some("somebody-else"), ..Token::default() };
    let token = api.token(NAMESPACE, "flow-observer", foreign).unwrap();
    let foreign = api.kubeconfig_with("foreign", User::Token(token)).unwrap();
    let error = format!("{:#}", api.as_admin().with(&foreign).get("/api/v1/pods").unwrap_err());
    assert!(error.contains("Unauthorized") || error.contains("logged in"), "{error}");
}

fn objects_survive_a_kill(api: &mut ApiServer) {
    api.apply(&[namespace("kept", &[("a", "b")])]).unwrap();
    let url = api.url();
    api.kill();
    api.kubectl(&["get", "namespaces"], None).unwrap_err();
    api.restart().unwrap();
    assert_eq!(api.url(), url);
    let kept = api.as_admin().get("/api/v1/namespaces/kept").unwrap();
    assert_eq!(kept["metadata"]["labels"]["a"], "b", "{kept}");
}

/// A real server stores every object of the lab, status included, and deletes it again.
#[test]
fn the_lab_is_mirrored() {
    let world = World::new().unwrap();
    let api =
        ApiServer::start(&Place::Inside(world.node.ns.clone()), &world.guard.dir().join("kube")).unwrap();
    let mut mirror = Mirror::new(world.cluster.dir());
    let pod = world.pod("web", "front").unwrap();
    let ip: std::net::IpAddr = "10.43.7.7".parse().unwrap();
    let spec = lab::cluster::ServiceSpec {
        namespace: "web",
        name: "front",
        cluster_ips: &[ip],
        port: 80,
        target_port: 8080,
    };
    world.service(&spec, &pod).unwrap();
    mirror.sync(&api).unwrap();
    let kubectl = api.as_admin();
    let stored = kubectl.get(&format!("/api/v1/namespaces/web/pods/{}", pod.name)).unwrap();
    assert_eq!(stored["status"]["podIP"], pod.ip4.to_string(), "{stored}");
    assert_eq!(stored["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet", "{stored}");
    let endpoints = kubectl.get("/api/v1/namespaces/web/endpoints/front").unwrap();
    assert_eq!(endpoints["subsets"][0]["addresses"][0]["ip"], pod.ip4.to_string(), "{endpoints}");
    let node = kubectl.get("/api/v1/nodes/node1").unwrap();
    assert_eq!(node["status"]["addresses"][0]["address"], world.node.ip4().to_string(), "{node}");
    let name = pod.name.clone();
    world.delete_pod(pod).unwrap();
    mirror.sync(&api).unwrap();
    kubectl.get(&format!("/api/v1/namespaces/web/pods/{name}")).unwrap_err();
}
