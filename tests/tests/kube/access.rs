//! The agent's answers to users with and without rights, as the API server decides.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lab::agent::{self, Agent};
use lab::http::Response;
use lab::kube::{Token, User};

use crate::scene::Scene;
use crate::stage::namespace;

const MONITORING: &str = "monitoring";

const FLOWS: &str = "/api/v1/flows?since=10m&follow=false";

/// The agent caches a valid token for 10 s, and so does the server.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Starts an agent that listens as in a cluster, with all logs.
fn guarded(scene: &Scene, kubeconfig: &Path) -> Agent {
    let node = &scene.world.node;
    let mut command = Command::new(agent::binary().unwrap());
    command
        .args(["run", "--cluster", "kube", "--node-name", &node.name])
        .args(["--auth", "kube", "--listen", "0.0.0.0:9477"])
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .env("FLOW_OBSERVER_LOG", "trace");
    Agent::start_as(&node.ns, &node.name, scene.world.guard.dir(), command).unwrap()
}

/// Returns a token with another signature of the same length.
fn forged(token: &str) -> String {
    let (rest, signature) = token.rsplit_once('.').unwrap();
    format!("{rest}.{}", signature.chars().rev().collect::<String>())
}

#[test]
fn tokens_count_as_the_server_says() {
    let scene = Scene::new("node1");
    scene.sync();
    let api = &scene.api;
    let kubeconfig = api.agent().unwrap();
    api.apply(&[namespace(MONITORING, &[])]).unwrap();
    let [reader, stranger, leaver] =
        ["reader", "stranger", "leaver"].map(|name| api.account(MONITORING, name).unwrap());
    let vault = Token { audience: Some("vault"), ..Token::default() };
    let vault = api.token(MONITORING, "reader", vault).unwrap();
    let [expired, young] = [7200, 60].map(|age| api.aged(&reader, Duration::from_secs(age)).unwrap());
    api.make_reader(MONITORING, "reader").unwrap();
    api.make_reader(MONITORING, "leaver").unwrap();
    let agent = guarded(&scene, &kubeconfig);
    let ask = |token: Option<&str>| agent.get_as(token, FLOWS).unwrap();
    let answers = |token: &str, status: u16| {
        let wanted = || Some(ask(Some(token))).filter(|answer| answer.status == status);
        lab::wait::until(&format!("status {status}"), REMEMBERED, wanted).unwrap()
    };

    let discovery =
        api.as_admin().with(&api.kubeconfig_with("stranger", User::Token(stranger.clone())).unwrap());
    discovery.get("/api/v1").expect("the server lets every account read /api/*, as clusters do");

    // The server's own cache of the rights follows in a moment.
    answers(&reader, 200);
    answers(&leaver, 200);
    answers(&young, 200);
    let Response { status, body } = ask(Some(&stranger));
    assert_eq!(status, 403, "{body}");
    assert!(body.contains("system:serviceaccount:monitoring:stranger may not get /api/v1/flows"), "{body}");
    assert!(body.contains("a ClusterRole"), "the remedy: {body}");
    for (what, token) in [
        ("none", None),
        ("garbled", Some("garbled")),
        ("forged", Some(forged(&reader).as_str())),
        ("for another audience", Some(&vault)),
        ("expired", Some(&expired)),
    ] {
        let Response { status, body } = ask(token);
        assert_eq!(status, 401, "{what}: {body}");
        assert!(body.contains("bearer token"), "{what}: {body}");
    }
    assert_eq!(ask(Some(&reader)).status, 200, "strangers cost nobody else");
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(agent.get_as(None, path).unwrap().status, 200, "{path} is open");
    }

    api.make_reader(MONITORING, "stranger").unwrap();
    answers(&stranger, 200);
    api.kubectl(&["delete", "serviceaccount", "-n", MONITORING, "leaver"], None).unwrap();
    answers(&leaver, 401);
    assert_eq!(ask(Some(&reader)).status, 200);

    let log = agent.log();
    assert!(log.contains("TRACE"), "all that can be logged is");
    let own = std::fs::read_to_string(&kubeconfig).unwrap();
    let own: serde_json::Value = serde_json::from_str(&own).unwrap();
    let own = own["users"][0]["user"]["token"].as_str().unwrap();
    for token in [own, &reader, &stranger, &leaver, &vault, &expired] {
        // The head is the same for all.
        for part in token.split('.').skip(1) {
            assert!(!log.contains(part), "a token is in the log");
        }
    }
}
