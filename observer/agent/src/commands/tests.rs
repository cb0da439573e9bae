//! The commands against several agents behind a simulated API server (see `kube::agents::testing`). The agents' HTTP side
//! is the real one.

mod page;
mod partial;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use flow_model::finding::Finding;
use flow_model::flow::Outcome;
use flow_model::inventory::{Inventory, Node};
use flow_model::output;
use flow_model::record::FlowRecord;
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client::ask;
use crate::client::connect::ConnectArgs;
use crate::client::fleet::{AgentArgs, FleetArgs};
use crate::client::print::Format;
use crate::client::print::record_lines::RecordPrinter;
use crate::client::print::testing::printer;
use crate::commands::findings::{self, FindingsArgs};
use crate::commands::tail::{TailArgs, tail};
use crate::http::{Settings, Tls, serve_with};
use crate::kube::agents::testing::{Cluster, TOKEN};
use crate::sink::testing::{at, attempt, external, finding, pod, resolved};
use crate::sink::{Shared, SinkConfig, Sinks};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    tail: TailArgs,
}

struct Lab {
    cluster: Cluster,
    dir: TempDir,
}

/// A CA, and a certificate of it for `agents.example`, with which agents serve.
struct Pki {
    dir: TempDir,
}

/// A real agent's sinks and HTTP side.
struct Agent {
    node: String,
    shared: Arc<Shared>,
    sinks: Sinks,
    address: SocketAddr,
    _running: DropGuard,
}

impl Pki {
    fn new() -> Self {
        let pki = Self { dir: TempDir::new().unwrap() };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["agents.example".to_owned()]).unwrap();
        std::fs::write(pki.path("ca"), ca.pem()).unwrap();
        std::fs::write(pki.path("cert"), params.signed_by(&key, &ca).unwrap().pem()).unwrap();
        std::fs::write(pki.path("key"), key.serialize_pem()).unwrap();
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn settings(&self) -> Settings {
        let tls = Tls::load(&self.path("cert"), &self.path("key")).unwrap();
        Settings { tls: Some(tls), ..Settings::default() }
    }
}

impl Lab {
    async fn new() -> Self {
        let (cluster, dir) = Cluster::start().await;
        Self { cluster, dir }
    }

    async fn agent(&self, node: &str) -> Agent {
        let agent = Agent::start(node).await;
        self.cluster.add(&format!("agent-{node}"), node, agent.address);
        agent
    }

    /// A node whose pod is listed and whose agent doesn't listen.
    async fn dead(&self, node: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.cluster.add(&format!("agent-{node}"), node, listener.local_addr().unwrap());
    }

    /// Starts an agent that serves TLS, and lists its pod.
    async fn tls_agent(&self, node: &str, pki: &Pki) -> Agent {
        let agent = Agent::guarded(node, pki.settings()).await;
        self.cluster.add(&format!("agent-{node}"), node, agent.address);
        agent
    }

    fn args(&self, more: &[&str]) -> TailArgs {
        let kubeconfig = Cluster::kubeconfig(&self.dir);
        let all = ["tail", "--all-nodes", "-o", "json", "--kubeconfig", kubeconfig.to_str().unwrap()];
        Cli::parse_from(all.iter().chain(more)).tail
    }

    fn agents(&self) -> AgentArgs {
        self.args(&[]).agents
    }

    fn with(&self, change: impl FnOnce(&mut FleetArgs)) -> AgentArgs {
        let mut args = self.agents();
        change(&mut args.fleet);
        args
    }

    fn tail(&self, more: &[&str]) -> (Written, Written, JoinHandle<anyhow::Result<()>>) {
        let (out, notes, args) = (Written::default(), Written::default(), self.args(more));
        let printer = RecordPrinter::new(printer(out.clone(), args.print.output));
        let to = notes.clone();
        let task = tokio::spawn(async move { tail(&args, printer, to).await });
        (out, notes, task)
    }
}

impl Agent {
    async fn start(node: &str) -> Self {
        Self::guarded(node, Settings::default()).await
    }

    async fn guarded(node: &str, settings: Settings) -> Self {
        // Long before everything that a test asks for.
        Self::started(Timestamp::MIN, node, settings).await
    }

    async fn started(started: Timestamp, node: &str, settings: Settings) -> Self {
        let (sinks, shared) = Sinks::new(&SinkConfig { started, ..SinkConfig::new(node.into()) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cancel = CancellationToken::new();
        tokio::spawn(serve_with(listener, Arc::clone(&shared), settings, cancel.clone()));
        Self { node: node.to_owned(), shared, sinks, address, _running: cancel.drop_guard() }
    }

    fn push(&mut self, seconds: impl IntoIterator<Item = i64>) {
        for second in seconds {
            let record = attempt(second, pod("web", "front-5d-1"), external(), Outcome::Refused);
            let record = FlowRecord { node: self.node.as_str().into(), ..record };
            self.sinks.emit(output::Output::Record(record), Timestamp::now());
        }
    }

    /// Gives the agent a cluster with these nodes.
    fn know(&mut self, nodes: &[&str]) {
        let node = |name: &&str| Node { name: (*name).into(), ..Node::default() }.into();
        let inventory = Inventory { nodes: nodes.iter().map(node).collect(), ..Inventory::default() };
        self.sinks.emit(output::Output::Cluster(inventory.into()), Timestamp::now());
    }

    fn find(&mut self, finding: Finding) {
        let finding = Finding { nodes: vec![self.node.as_str().into()], ..finding };
        self.sinks.emit(output::Output::Finding(finding.into()), Timestamp::now());
    }
}

#[derive(Clone, Default)]
pub(super) struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Node and second of each record.
    fn records(&self) -> Vec<(String, i64)> {
        let text = self.text();
        let records = text.lines().map(|line| serde_json::from_str::<FlowRecord>(line).unwrap());
        records.map(|record| (record.node.to_string(), record.time.as_second() - at(0).as_second())).collect()
    }

    fn seconds(&self) -> Vec<i64> {
        self.records().into_iter().map(|(_, second)| second).collect()
    }

    pub(super) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let wait = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(PATIENCE, wait).await.is_ok(), "no {what} in: {}", self.text());
    }
}

async fn end(task: JoinHandle<anyhow::Result<()>>) -> anyhow::Result<()> {
    timeout(PATIENCE, task).await.unwrap().unwrap()
}

#[tokio::test]
async fn replays_of_all_nodes_are_merged_by_time() {
    let lab = Lab::new().await;
    let (mut one, mut two) = (lab.agent("node1").await, lab.agent("node2").await);
    let _three = lab.agent("node3").await;
    one.push((0..6_000).filter(|second| second % 3 == 0));
    two.push((0..6_000).filter(|second| second % 3 != 0));
    let (out, notes, task) = lab.tail(&["--since", "1000y", "--no-follow"]);
    end(task).await.unwrap();
    assert!(out.seconds().into_iter().eq(0..6_000), "sorted, complete, nothing twice");
    assert!(out.records().iter().all(|(node, second)| (node == "node1") == (second % 3 == 0)));
    assert_eq!(notes.text(), "");
    let sent = lab.cluster.sent();
    assert!(sent.contains(&format!("authorization: Bearer {TOKEN}")), "the user's token is sent: {sent}");
}

#[tokio::test]
async fn a_replay_goes_on_with_what_happens() {
    let lab = Lab::new().await;
    let (mut one, mut two) = (lab.agent("node1").await, lab.agent("node2").await);
    one.push([0, 2, 4]);
    two.push([1, 3, 5]);
    let (out, _, task) = lab.tail(&["--since", "1000y"]);
    out.until("replay", |out| out.records().len() == 6).await;
    for second in 6..12 {
        if second % 2 == 0 { one.push([second]) } else { two.push([second]) }
    }
    out.until("what came then", |out| out.records().len() == 12).await;
    assert!(out.seconds().into_iter().eq(0..12));
    task.abort();
}

#[tokio::test]
async fn nodes_come_and_go() {
    let lab = Lab::new().await;
    let mut one = lab.agent("node1").await;
    lab.dead("node2").await;
    let (out, notes, task) = lab.tail(&[]);
    notes.until("note on the dead node", |notes| notes.text().contains("node node2 is missing")).await;
    let mut second = 0;
    // Records from before the connection are not printed.
    while out.records().is_empty() {
        second += 1;
        one.push([second]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // An agent that started later is read from its start.
    let mut three = Agent::start("node3").await;
    three.push([100_000]);
    lab.cluster.add("agent-node3", "node3", three.address);
    out.until("the node that joined", |out| out.records().contains(&("node3".to_owned(), 100_000))).await;
    // The pod of node1 is replaced.
    lab.cluster.remove("agent-node1");
    drop(one);
    let mut again = Agent::start("node1").await;
    again.push([100_001]);
    lab.cluster.add("agent-node1-b", "node1", again.address);
    out.until("the new pod", |out| out.records().contains(&("node1".to_owned(), 100_001))).await;
    let missing = notes.text().lines().filter(|line| line.contains("node2")).count();
    assert_eq!(missing, 1, "one line: {}", notes.text());
    assert!(
        notes.text().contains("onnection refused"),
        "the kubelet's reason is passed on: {}",
        notes.text()
    );
    task.abort();
}

#[tokio::test]
async fn a_replay_with_a_missing_node_names_it_and_fails() {
    let lab = Lab::new().await;
    let mut one = lab.agent("node1").await;
    lab.dead("node2").await;
    one.push(0..3);
    let (out, notes, task) = lab.tail(&["--since", "1000y", "--no-follow"]);
    let error = end(task).await.unwrap_err().to_string();
    assert_eq!(out.seconds(), [0, 1, 2]);
    assert!(error.contains("incomplete") && notes.text().contains("node2"), "{error} {}", notes.text());
}

#[tokio::test]
async fn text_names_the_node() {
    let lab = Lab::new().await;
    let mut agent = lab.agent("node1").await;
    agent.push([0]);
    let (args, out) = (lab.args(&["--since", "1000y", "--no-follow"]), Written::default());
    let printer = RecordPrinter::new(printer(out.clone(), Format::Text));
    timeout(PATIENCE, tail(&args, printer, Written::default())).await.unwrap().unwrap();
    assert!(
        out.text().starts_with("11:06:40.000  node1  web/front-5d-1 -> 1.1.1.1:443  refused"),
        "{}",
        out.text()
    );
}

#[derive(Debug, serde::Deserialize)]
struct Findings {
    findings: Vec<Finding>,
}

#[tokio::test]
async fn all_are_asked_and_those_that_are_missing_are_named() {
    let lab = Lab::new().await;
    let (mut one, mut two) = (lab.agent("node1").await, lab.agent("node2").await);
    one.find(finding("a", 1));
    two.find(finding("a", 2));
    lab.dead("node3").await;
    let mut notes = Vec::new();
    let asked = ask::get::<Findings>(&lab.agents(), "/api/v1/findings", &mut notes).await.unwrap();
    let nodes: Vec<_> =
        asked.answers.iter().map(|(node, answer)| (node.as_deref(), answer.findings.len())).collect();
    assert_eq!((nodes, asked.incomplete), (vec![(Some("node1"), 1), (Some("node2"), 1)], true));
    let notes = String::from_utf8(notes).unwrap();
    assert!(
        notes.starts_with("flow-observer: node node3 is missing") && notes.lines().count() == 1,
        "{notes}"
    );
}

#[derive(Parser)]
struct FindingsCli {
    #[command(flatten)]
    findings: FindingsArgs,
}

/// Returns what `flow-observer findings --all-nodes ...` prints, and its notes.
async fn asked(lab: &Lab, more: &[&str]) -> anyhow::Result<(String, String)> {
    let kubeconfig = Cluster::kubeconfig(&lab.dir);
    let all = ["findings", "--all-nodes", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let args = FindingsCli::parse_from(all.iter().chain(more)).findings;
    let (out, notes) = (Written::default(), Written::default());
    findings::print(&args, printer(out.clone(), Format::Json), notes.clone()).await?;
    Ok((out.text(), notes.text()))
}

/// One node has seen the end of what goes on on the other.
#[tokio::test]
async fn the_state_is_that_of_all_nodes_together() {
    let lab = Lab::new().await;
    let (mut one, mut two) = (lab.agent("node1").await, lab.agent("node2").await);
    let now = Timestamp::now();
    let seen = |finding: Finding| Finding { first_seen: now, last_seen: now, ..finding };
    let ended = now + jiff::SignedDuration::from_secs(1);
    one.find(Finding { ended: Some(ended), ..seen(resolved(finding("a", 0), 0)) });
    two.find(seen(finding("a", 0)));
    assert_eq!(
        asked(&lab, &["--state", "resolved"]).await.unwrap(),
        (String::new(), "No findings.\n".into())
    );
    let (out, _) = asked(&lab, &["--state", "active"]).await.unwrap();
    assert!(out.contains(r#""nodes":["node1","node2"]"#) && !out.contains("ended"), "{out}");
}

#[tokio::test]
async fn agents_that_serve_tls_are_asked_by_the_name_in_their_certificate() {
    let (lab, pki, other) = (Lab::new().await, Pki::new(), Pki::new());
    let (ca, strange) = (pki.path("ca"), other.path("ca"));
    let (ca, strange) = (ca.to_str().unwrap(), strange.to_str().unwrap());
    let (mut one, mut two) = (lab.tls_agent("node1", &pki).await, lab.tls_agent("node2", &pki).await);
    one.find(finding("a", 1));
    two.find(finding("b", 2));
    let right = ["--agent-tls", "agents.example", "--ca-file", ca];
    let (out, notes) = asked(&lab, &right).await.unwrap();
    assert_eq!((out.lines().count(), notes.as_str()), (2, ""), "{out}");
    assert!(out.contains("node1") && out.contains("node2"), "{out}");
    let sent = lab.cluster.sent();
    assert!(!sent.contains("HTTP/1.1") && !sent.contains(TOKEN), "nothing goes in the clear");

    for (arguments, says) in [
        (
            &["--agent-tls", "other.example", "--ca-file", ca][..],
            "--agent-tls, names what the certificate is for",
        ),
        (&["--agent-tls", "agents.example", "--ca-file", strange], "--ca-file names the CA that signed it"),
        (&["--agent-tls", "agents.example", "--ca-file", "/nowhere"], "/nowhere can't be read"),
        (&["--agent-tls", "no name", "--ca-file", ca], "`no name` is no host name"),
        (&[], "--agent-tls NAME"),
    ] {
        let error = format!("{:#}", asked(&lab, arguments).await.unwrap_err());
        assert!(error.contains(says), "{arguments:?}: {error}");
        assert!(error.lines().count() <= 3, "a line for each node: {error}");
    }
}

#[tokio::test]
async fn an_agent_without_tls_is_distinguished_from_one_that_cant_be_trusted() {
    let (lab, pki) = (Lab::new().await, Pki::new());
    let _plain = lab.agent("node1").await;
    let ca = pki.path("ca");
    let arguments = ["--agent-tls", "agents.example", "--ca-file", ca.to_str().unwrap()];
    let error = format!("{:#}", asked(&lab, &arguments).await.unwrap_err());
    assert!(error.contains("node1") && error.contains("doesn't speak TLS"), "{error}");
}

#[tokio::test]
async fn one_that_answers_is_enough_to_explain() {
    let lab = Lab::new().await;
    lab.dead("node0").await;
    let fleet = lab.agents().fleet.connect().await.unwrap();
    let error = ask::any(&fleet).await.unwrap_err().to_string();
    assert!(error.contains("no agent could be asked") && error.contains("node0"), "{error}");
    let _one = lab.agent("node1").await;
    assert!(ask::any(&fleet).await.unwrap().url().contains("node1"));
}

#[tokio::test]
async fn a_token_file_takes_precedence_over_the_users_token() {
    let lab = Lab::new().await;
    let _one = lab.agent("node1").await;
    let path = lab.dir.path().join("token");
    let connect = ConnectArgs { token_file: Some(path.clone()), ..ConnectArgs::default() };
    let args = || lab.with(|fleet| fleet.connect = connect.clone());
    for (text, says) in [("", "no bearer token"), ("two\twords\u{7}", "no bearer token")] {
        std::fs::write(&path, text).unwrap();
        let error = ask::get::<Findings>(&args(), "/api/v1/findings", Vec::new()).await.unwrap_err();
        assert!(format!("{error:#}").contains(says), "{error:#}");
    }
    std::fs::write(&path, "from-the-file\nand more\n").unwrap();
    ask::get::<Findings>(&args(), "/api/v1/findings", Vec::new()).await.unwrap();
    let sent = lab.cluster.sent();
    assert!(sent.contains("Bearer from-the-file\r\n") && !sent.contains(TOKEN), "{sent}");
}

#[tokio::test]
async fn errors_name_the_remedy() {
    let lab = Lab::new().await;
    let error = async |args: AgentArgs| {
        let asked = ask::get::<Findings>(&args, "/api/v1/findings", Vec::new()).await;
        format!("{:#}", asked.err().unwrap())
    };
    let has = |error: &str, parts: &[&str]| {
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?} in {error}");
    };
    has(
        &error(lab.agents()).await,
        &["app.kubernetes.io/name=flow-observer", "kubectl apply", "--agent-selector"],
    );
    let one = lab.agent("node1").await;
    let elsewhere = lab.with(|fleet| fleet.agent_namespace = "other".into());
    has(&error(elsewhere).await, &["namespace other", "no pod"]);
    lab.cluster.set_phase("agent-node1", "Pending");
    has(&error(lab.agents()).await, &["1 there, none running"]);
    lab.cluster.set_phase("agent-node1", "Running");
    lab.cluster.forbid(true, false);
    has(&error(lab.agents()).await, &["may not list pods in namespace flow-observer", "Role"]);
    lab.cluster.forbid(false, true);
    has(&error(lab.agents()).await, &["may not get and create pods/portforward", "Role"]);
    lab.cluster.forbid(false, false);
    let context = lab.with(|fleet| fleet.context = Some("nowhere".into()));
    has(&error(context).await, &["kubeconfig", "nowhere"]);
    let there = lab.with(|fleet| fleet.context = Some("there".into()));
    assert!(ask::get::<Findings>(&there, "/api/v1/findings", Vec::new()).await.is_ok());
    let missing = lab.with(|fleet| fleet.kubeconfig = Some("/nowhere/config".into()));
    has(&error(missing).await, &["/nowhere/config"]);
    drop(one);
}
