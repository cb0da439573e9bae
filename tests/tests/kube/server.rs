//! The harness of the API server.

use lab::kube::{ApiServer, Mirror, NAMESPACE, Place, Token, User};
use lab::world::World;

use crate::stage::{self, namespace};

/// All cases share one server, since a start takes seconds.
#[test]
fn the_harness_gives_what_it_promises() {
    let mut stage = stage::start();
    it_is_recent(&stage.api);
    rights_and_tokens_are_real(&stage.api);
    objects_survive_a_kill(&mut stage.api);
}

/// The server is of a version that the agent supports, and has what the agent reads in each of them.
fn it_is_recent(api: &ApiServer) {
    let kubectl = api.as_admin();
    let version = kubectl.get("/version").unwrap();
    let minor: u32 = version["minor"].as_str().unwrap().parse().unwrap();
    assert!(version["major"] == "1" && minor >= 30, "{version}");
    kubectl.get("/apis/discovery.k8s.io/v1").unwrap();
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
    for (slice, address) in [("front-ipv4", pod.ip4.to_string()), ("front-ipv6", pod.ip6.to_string())] {
        let path = format!("/apis/discovery.k8s.io/v1/namespaces/web/endpointslices/{slice}");
        let stored = kubectl.get(&path).unwrap();
        assert_eq!(stored["endpoints"][0]["addresses"], serde_json::json!([address]), "{stored}");
    }
    let node = kubectl.get("/api/v1/nodes/node1").unwrap();
    assert_eq!(node["status"]["addresses"][0]["address"], world.node.ip4().to_string(), "{node}");
    let name = pod.name.clone();
    world.delete_pod(pod).unwrap();
    mirror.sync(&api).unwrap();
    kubectl.get(&format!("/api/v1/namespaces/web/pods/{name}")).unwrap_err();
}
