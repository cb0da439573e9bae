//! The agent's token is no longer valid, and there is a new one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lab::agent::Agent;
use lab::kube::{ApiServer, NAMESPACE, Token, User};

use crate::scene::{Scene, knows, lines, record, stale, synced};

const KINDS: [&str; 3] = ["Pod", "NetworkPolicy", "Namespace"];

/// A token as the kubelet projects it: `token` links to `..data/token`, and `..data` to the newest version.
struct Projected {
    dir: PathBuf,
    versions: u32,
}

impl Projected {
    fn new(dir: &Path) -> Self {
        fs::create_dir(dir).unwrap();
        symlink("..data/token", dir.join("token")).unwrap();
        Self { dir: dir.to_owned(), versions: 0 }
    }

    fn renew(&mut self, api: &ApiServer) {
        let token = api.token(NAMESPACE, "flow-observer", Token::default()).unwrap();
        self.versions += 1;
        let version = format!("..{}", self.versions);
        fs::create_dir(self.dir.join(&version)).unwrap();
        fs::write(self.dir.join(&version).join("token"), token).unwrap();
        symlink(&version, self.dir.join("..data_tmp")).unwrap();
        fs::rename(self.dir.join("..data_tmp"), self.dir.join("..data")).unwrap();
    }
}

fn wait_unauthorized(agent: &Agent, kind: &str) {
    let rejected = || stale(agent, kind).filter(|why| why.starts_with("unauthorized (401)"));
    let why = agent.wait_for("a report on the token", |_| rejected()).unwrap();
    assert!(why.contains("renew it"), "the remedy: {why}");
}

/// The server starts again with another key for tokens, as after `k3s certificate rotate`.
#[test]
fn a_new_token_is_taken_without_a_restart() {
    let mut scene = Scene::new("node1");
    let (store, front, _serving) = scene.store_and_front();
    scene.api.agent().unwrap();
    let mut token = Projected::new(&scene.world.guard.dir().join("account"));
    token.renew(&scene.api);
    let file = token.dir.join("token");
    let kubeconfig = scene.api.kubeconfig_with("projected", User::TokenFile(file)).unwrap();
    let agent = scene.agent_with(&kubeconfig, &[]);
    KINDS.iter().for_each(|kind| synced(&agent, kind, 1.0));
    knows(&agent, "Pod", 2);

    scene.api.restart_with_new_key().unwrap();
    for kind in KINDS {
        wait_unauthorized(&agent, kind);
        synced(&agent, kind, 0.0);
    }
    agent
        .wait_for("a line in the log", |a| {
            (lines(a, &["WARN", "unauthorized (401)", "renew it"]) > 0).then_some(())
        })
        .unwrap();
    let late = scene.world.pod("web", "late").unwrap();
    scene.sync();
    let named = |client| record(&agent, client, store.at(8080)).1["src"]["pod"].clone();
    assert_eq!(named(&front), front.name.as_str(), "what is known stays");
    assert_eq!(named(&late), serde_json::Value::Null, "and what came since is not known");

    token.renew(&scene.api);
    let caught_up = || KINDS.iter().all(|kind| stale(&agent, kind).is_none()).then_some(());
    lab::wait::until("the new token to be taken", lab::wait::DEADLINE, caught_up).unwrap();
    KINDS.iter().for_each(|kind| synced(&agent, kind, 1.0));
    knows(&agent, "Pod", 3);
    agent.wait_for("the late pod's name", |_| (named(&late) == late.name.as_str()).then_some(())).unwrap();
    assert_eq!(lines(&agent, &["WARN", "unauthorized (401)"]), 1, "one line: {}", agent.log());
}
