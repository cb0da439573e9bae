//! The command against a simulated API server and agents, and its file as `explain` and `audit` read it.

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::kube::server::testing::{Server, pod, policy};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    snapshot: SnapshotArgs,
}

struct Fixture {
    dir: TempDir,
}

impl Fixture {
    /// A kubeconfig for this server.
    fn new(url: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": url}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
            "users": [{"name": "a", "user": {}}],
        });
        fs::write(dir.path().join("kubeconfig"), config.to_string()).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the snapshot. Returns it with the notes.
    async fn run(&self) -> anyhow::Result<(Value, String)> {
        let (kubeconfig, file) = (self.path("kubeconfig"), self.path("cluster.json"));
        let args = ["snapshot", "--kubeconfig", kubeconfig.to_str().unwrap(), file.to_str().unwrap()];
        let mut args = Cli::parse_from(args).snapshot;
        args.agents.url.clear();
        let mut notes = Vec::new();
        snapshot(&args, Vec::new(), &mut notes).await?;
        Ok((serde_json::from_slice(&fs::read(file)?)?, String::from_utf8(notes)?))
    }
}

async fn server(change: impl FnOnce(&Server)) -> String {
    let server = Server::new();
    server.set("namespaces", |a| a.items = ["web", "data"].map(|n| json!({"metadata": {"name": n}})).into());
    server.set("pods", |a| {
        let mut managed = pod("front", "10.42.0.5");
        managed["metadata"]["managedFields"] = json!([{"manager": "kubelet-of-a-test"}]);
        managed["metadata"]["annotations"] = json!({"note": "an annotation of a test"});
        managed["spec"]["containers"][0]["env"] = json!([{"name": "PASSWORD", "value": "hunter2"}]);
        a.items = vec![managed, pod("store", "10.42.0.6")];
    });
    server.set("networkpolicies", |a| a.items = vec![policy("lockdown")]);
    change(&server);
    server.start().await
}

#[tokio::test]
async fn the_cluster_without_what_no_verdict_needs() {
    let fixture = Fixture::new(&server(|_| ()).await);
    let (snapshot, notes) = fixture.run().await.unwrap();
    assert!(notes.contains("2 pods, 1 policies, 0 observed flows") && !notes.contains("warning"), "{notes}");
    assert_eq!(snapshot["inventory"]["pods"][0]["labels"], json!({}));
    let text = snapshot.to_string();
    for left_out in ["kubelet-of-a-test", "an annotation of a test", "hunter2", "missing"] {
        assert!(!text.contains(left_out), "{left_out}: {text}");
    }
    let files: Vec<_> = fs::read_dir(fixture.dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(files.len(), 2, "no other file stays: {files:?}");
}

#[rstest]
#[case("networkpolicies", "NetworkPolicy", 403)]
#[case("services", "Service", 403)]
#[case("pods", "Pod", 500)]
#[case("nodes", "Node", 403)]
#[tokio::test]
async fn what_cant_be_read_is_named_and_makes_verdicts_unknown(
    #[case] plural: &str,
    #[case] kind: &str,
    #[case] status: u16,
) {
    let fixture = Fixture::new(&server(|server| server.set(plural, |a| a.status = status)).await);
    let (snapshot, notes) = fixture.run().await.unwrap();
    assert!(notes.contains(&format!("warning: {kind} missing: ")), "{notes}");
    assert_eq!(snapshot["missing"][0]["what"], kind);
    let read = file::read_if_one(&fixture.path("cluster.json")).unwrap().unwrap();
    let explainer = flow_policy::query::Explainer::new(read.inventory);
    let query = flow_policy::query::Query::parse("10.42.0.5", "10.42.0.6:5432").unwrap();
    let answer = flow_policy::query::Reply::new(Value::Null, explainer.answer(&query));
    assert_eq!(answer.decision, flow_model::decision::Decision::Unknown, "{answer:?}");
    let report = flow_policy::audit::audit(
        &Default::default(),
        &[file::read_if_one(&fixture.path("cluster.json")).unwrap().unwrap()],
    );
    assert!(!report.judged_everything() && report.unjudged[0].object == kind, "{report:?}");
}

#[tokio::test]
async fn what_no_verdict_needs_is_not_asked_for() {
    let servers = Server::new();
    let fixture = Fixture::new(&Arc::clone(&servers).start().await);
    servers.set("leases", |a| a.status = 403);
    let (_, notes) = fixture.run().await.unwrap();
    assert!(!notes.contains("warning"), "{notes}");
    for left_out in ["secrets", "configmaps", "leases", "events", "servicel2statuses"] {
        assert_eq!(servers.asked(left_out), 0, "{left_out}");
    }
}

#[tokio::test]
async fn an_error_says_what_is_wrong_and_leaves_the_old_file() {
    let fixture = Fixture::new("http://127.0.0.1:9");
    fs::write(fixture.path("cluster.json"), "old").unwrap();
    let error = format!("{:#}", fixture.run().await.unwrap_err());
    assert!(error.contains("the API server can't be read") && error.contains("no answer"), "{error}");
    assert_eq!(fs::read_to_string(fixture.path("cluster.json")).unwrap(), "old");
    let fixture = Fixture::new(&server(|server| server.set("namespaces", |a| a.status = 403)).await);
    let error = format!("{:#}", fixture.run().await.unwrap_err());
    assert!(error.contains("Namespace: forbidden"), "{error}");
    fs::remove_file(fixture.path("kubeconfig")).unwrap();
    let error = format!("{:#}", fixture.run().await.unwrap_err());
    assert!(error.contains("kubeconfig"), "{error}");
}

#[test]
fn only_a_snapshot_is_read_as_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    for (text, is_one) in [
        ("kind: Pod\n", Some(false)),
        ("{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": []}", Some(false)),
        ("{\"version\": 7, \"inventory\": {}}", None),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(file::read_if_one(&path).ok().map(|read| read.is_some()), is_one, "{text}");
    }
    assert!(file::read_if_one(dir.path()).unwrap().is_none());
    let loaded = {
        fs::write(path.with_extension("json"), "{\"version\": 1, \"inventory\": {}}").unwrap();
        flow_objects::directory::load(dir.path()).unwrap()
    };
    let open = loaded.problems.iter().filter(|problem| problem.is_open()).map(ToString::to_string);
    assert!(open.collect::<String>().contains("which `explain` and `audit --flows` read by itself"));
}
