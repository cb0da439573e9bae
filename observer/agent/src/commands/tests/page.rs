//! The page for the whole cluster.

use bytes::Bytes;
use flow_model::flow::Counts;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::*;
use crate::commands::ui::{UiArgs, serve};
use crate::sink::testing::{pair, service, vip};

#[derive(Parser)]
struct UiCli {
    #[command(flatten)]
    ui: UiArgs,
}

/// A running page.
struct Page {
    address: String,
    notes: Written,
    task: JoinHandle<anyhow::Result<()>>,
    cancel: CancellationToken,
}

impl Page {
    async fn of(lab: &Lab) -> Self {
        let kubeconfig = Cluster::kubeconfig(&lab.dir);
        Self::start(&["--kubeconfig", kubeconfig.to_str().unwrap()]).await
    }

    async fn start(more: &[&str]) -> Self {
        let args = UiCli::parse_from(["ui", "--port", "0"].iter().chain(more)).ui;
        let (out, notes, cancel) = (Written::default(), Written::default(), CancellationToken::new());
        let (to, noted, stop) = (out.clone(), notes.clone(), cancel.clone());
        let task = tokio::spawn(async move { serve(&args, to, noted, stop).await });
        out.until("address", |out| out.text().ends_with("/\n")).await;
        let text = out.text();
        let address = text.strip_prefix("http://127.0.0.1:").unwrap().trim_end_matches("/\n");
        Self { address: format!("127.0.0.1:{address}"), notes, task, cancel }
    }

    async fn ask(&self, method: &str, path: &str, host: &str) -> Response<Incoming> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", host);
        let request = request.body(Full::new(Bytes::new())).unwrap();
        timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
    }

    async fn status(&self, method: &str, path: &str, host: &str) -> u16 {
        self.ask(method, path, host).await.status().as_u16()
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, &self.address).await;
        let status = answer.status();
        let body = timeout(PATIENCE, answer.into_body().collect()).await.unwrap().unwrap().to_bytes();
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }
}

#[tokio::test]
async fn the_page_joins_what_all_nodes_know() {
    let lab = Lab::new().await;
    let (mut one, mut two) = (lab.agent("node1").await, lab.agent("node2").await);
    lab.dead("node3").await;
    one.find(finding("a", 1));
    two.find(finding("a", 2));
    two.sinks.emit(output::Output::Vip(vip(&["dbaas/postgresql-lb"])), Timestamp::now());
    let counts = Counts { syn: 5, ..Counts::default() };
    let pair = pair(pod("web", "front-5d-1"), service("data", "db"), counts);
    two.sinks.emit(output::Output::Pair(pair), Timestamp::now());
    let page = Page::of(&lab).await;

    let findings = page.json("/api/v1/findings").await;
    assert_eq!(findings["findings"].as_array().unwrap().len(), 1, "{findings}");
    assert_eq!(findings["findings"][0]["nodes"], json!(["node1", "node2"]));
    assert_eq!(findings["nodes"]["missing"][0]["node"], "node3");
    assert_eq!(page.json("/api/v1/vips").await["vips"][0]["ip"], "10.0.20.200");
    let pairs = page.json("/api/v1/pairs").await;
    assert_eq!((&pairs["pairs"][0]["node"], &pairs["pairs"][0]["syn"]), (&json!("node2"), &json!(5)));
    let nodes = page.json("/api/v1/nodes").await;
    let lines: Vec<_> = nodes["nodes"].as_array().unwrap().iter().map(|one| one["node"].clone()).collect();
    assert_eq!(lines, ["node1", "node2", "node3"]);
    assert!(nodes["nodes"][0].get("error").is_none() && nodes["nodes"][2]["error"].is_string(), "{nodes}");
    assert!(nodes["nodes"][0]["lost"].is_object(), "{nodes}");
    let answer = page.json("/api/v1/explain?src=10.0.0.1&dst=10.0.0.2:80").await;
    assert!(answer["decision"].is_string(), "{answer}");
    let filtered = page.json("/api/v1/findings?kind=vip_flap").await;
    assert_eq!(filtered["findings"], json!([]));
    assert!(page.notes.text().is_empty() || page.notes.text().contains("node3"), "{}", page.notes.text());
}

#[tokio::test]
async fn the_page_follows_all_nodes_in_one_stream() {
    let lab = Lab::new().await;
    let (mut one, mut two) = (lab.agent("node1").await, lab.agent("node2").await);
    one.push([0, 2]);
    two.push([1, 3]);
    let page = Page::of(&lab).await;
    let mut stream = page.ask("GET", "/api/v1/flows?since=1000y", &page.address).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while text.matches("\"kind\":\"attempt\"").count() < 4 {
        let frame = timeout(PATIENCE, stream.body_mut().frame()).await.unwrap().unwrap().unwrap();
        text.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data: {")).map(|rest| format!("{{{rest}"));
    let records: Vec<FlowRecord> =
        data.map(|json| serde_json::from_str(&json).unwrap()).filter(is_attempt).collect();
    let nodes: Vec<_> = records.iter().map(|record| record.node.as_str()).collect();
    assert_eq!(nodes, ["node1", "node2", "node1", "node2"]);
    assert_eq!(page.status("GET", "/api/v1/flows?kin=attempt", &page.address).await, 400);
    // The open stream does not hold up the end.
    page.cancel.cancel();
    timeout(PATIENCE, page.task).await.unwrap().unwrap().unwrap();
}

fn is_attempt(record: &FlowRecord) -> bool {
    record.event.kind().as_str() == "attempt"
}

#[tokio::test]
async fn one_agent_has_the_page_too() {
    let mut agent = Agent::start("node1").await;
    agent.find(finding("a", 1));
    let page = Page::start(&["--url", &format!("http://{}", agent.address)]).await;
    let findings = page.json("/api/v1/findings").await;
    assert_eq!(findings["nodes"]["asked"][0]["node"], "node1");
    assert_eq!(findings["options"], json!(["--url", format!("http://{}", agent.address)]));
    assert_eq!(page.json("/api/v1/nodes").await["nodes"].as_array().unwrap().len(), 1);
}

/// A page of another site may point its own name here, and send what browsers send without asking.
#[tokio::test]
async fn the_page_is_for_this_machine_and_only_reads() {
    let lab = Lab::new().await;
    let _one = lab.agent("node1").await;
    let page = Page::of(&lab).await;
    let port = page.address.split_once(':').unwrap().1;
    let local = format!("localhost:{port}");
    for path in ["/", "/ui/app.js", "/api/v1/findings", "/runbooks/README"] {
        assert_eq!(page.status("GET", path, &page.address).await, 200, "{path}");
        assert_eq!(page.status("GET", path, &local).await, 200, "{path}");
        for foreign in ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "x.localhost", "[::1]"] {
            assert_eq!(page.status("GET", path, foreign).await, 403, "{path} as {foreign}");
        }
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            assert_eq!(page.status(method, path, &page.address).await, 405, "{method} {path}");
        }
    }
    let answer = page.ask("GET", "/", &page.address).await;
    let headers = answer.headers();
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(headers["content-security-policy"].to_str().unwrap().contains("script-src 'self'"));
    assert!(headers.get("access-control-allow-origin").is_none());
    let cut = page.address.parse::<SocketAddr>().unwrap().ip();
    assert!(cut.is_loopback());
}

#[tokio::test]
async fn without_agents_the_command_says_why() {
    let lab = Lab::new().await;
    let kubeconfig = Cluster::kubeconfig(&lab.dir);
    let args = UiCli::parse_from(["ui", "--port", "0", "--kubeconfig", kubeconfig.to_str().unwrap()]).ui;
    let served = serve(&args, Written::default(), Written::default(), CancellationToken::new());
    assert!(timeout(PATIENCE, served).await.unwrap().is_err());
}
