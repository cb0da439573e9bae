//! `/api/v1/explain` and `/api/v1/snapshot`.

use std::sync::Arc;

use flow_model::baseline::Baseline;
use flow_model::flow::Outcome;
use flow_model::inventory::Inventory;
use flow_model::output::Output;
use flow_model::testing::{Cluster, pod, policy};
use flow_policy::query::MAX_LINE;
use serde_json::{Value, json};

use crate::http::tests::client::{Agent, Answer};
use crate::sink::testing::{at, attempt, pod as endpoint};

fn inventory() -> Arc<Inventory> {
    Cluster::new("web data")
        .pod(pod("web", "front", &[("app", "front")], "10.42.0.5"))
        .pod(pod("data", "db", &[("app", "db")], "10.42.0.9"))
        .policy(policy("data", "db").on("app=db").ingress(&["ns()&pods(app=front) : 5432"]))
        .inventory()
}

async fn agent() -> Agent {
    let mut agent = Agent::start().await;
    agent.emit(Output::Cluster(inventory()));
    agent
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn one_question() {
    let agent = agent().await;
    let answer = agent.get("/api/v1/explain?src=web/front&dst=data/db:5432/TCP", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(
        (&answer.json()["decision"], &answer.json()["dst"]),
        (&json!("allow"), &json!("data/db:5432/TCP"))
    );
    let answer = agent.get("/api/v1/explain?src=10.42.0.5&dst=data%2Fdb:80", &[]).await.json();
    assert_eq!((&answer["decision"], &answer["ingress"]["policies"]), (&json!("deny"), &json!(["data/db"])));
    let answer = agent.get("/api/v1/explain?src=web/gone&dst=data/db:80", &[]).await;
    assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!("unknown")));
    assert!(answer.json()["error"].as_str().unwrap().contains("web/gone does not exist"));
}

#[tokio::test]
async fn bad_requests_name_the_cause() {
    let agent = agent().await;
    for (query, says) in [
        ("", "two parameters"),
        ("src=web/front", "two parameters"),
        ("src=web/front&dst=data/db:0", "`0` is no port"),
        ("src=web&dst=data/db:1", "`web` is neither"),
        ("from=web/a", "`from`"),
    ] {
        let answer = agent.get(&format!("/api/v1/explain?{query}"), &[]).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.json()["error"].as_str().unwrap().contains(says), "{query}: {}", answer.body);
    }
    let answer = agent.request("PUT", "/api/v1/explain", &[]).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET,HEAD,POST"));
}

#[tokio::test]
async fn many_questions_in_their_order() {
    let agent = agent().await;
    let question = |id: usize| {
        let port = if id.is_multiple_of(2) { 5432 } else { 80 };
        json!({"id": id, "src": {"ns": "web", "pod": "front"}, "dst": {"ip": "10.42.0.9"}, "port": port})
            .to_string()
    };
    let body = (0..200).map(question).collect::<Vec<_>>().join("\n\n");
    let answer = agent.post("/api/v1/explain", body).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"));
    let answers = lines(&answer);
    assert_eq!(answers.len(), 200);
    for (id, answer) in answers.iter().enumerate() {
        let decision = if id.is_multiple_of(2) { "allow" } else { "deny" };
        assert_eq!((&answer["id"], &answer["decision"]), (&json!(id), &json!(decision)));
    }
}

#[tokio::test]
async fn bad_lines_stop_nothing() {
    let agent = agent().await;
    let good = r#"{"id":"x","src":{"ns":"web","pod":"front"},"dst":{"ns":"data","pod":"db"},"port":5432}"#;
    let long = "y".repeat(MAX_LINE + 1);
    let answer = agent.post("/api/v1/explain", format!("garbage\n{long}\n\u{0}\r\n{{}}\n{good}")).await;
    let decisions: Vec<_> =
        lines(&answer).iter().map(|a| a["decision"].as_str().unwrap().to_owned()).collect();
    assert_eq!(decisions, ["unknown", "unknown", "unknown", "unknown", "allow"]);
    assert_eq!(lines(&answer)[4]["id"], "x");
    let empty = agent.post("/api/v1/explain", String::new()).await;
    assert_eq!((empty.status, empty.body.as_str()), (200, ""));
    let huge = agent.post("/api/v1/explain", "{}\n".repeat(400_000)).await;
    assert_eq!(huge.status, 413);
    assert!(huge.json()["error"].as_str().unwrap().contains("1 MiB"));
}

#[tokio::test]
async fn the_newest_cluster_counts() {
    let mut agent = agent().await;
    let ask = async |agent: &Agent| {
        agent.get("/api/v1/explain?src=web/front&dst=data/db:5432", &[]).await.json()["decision"].clone()
    };
    assert_eq!(ask(&agent).await, "allow");
    let mut changed = Inventory::clone(&inventory());
    changed.policies.namespaced = vec![policy("data", "db").ingress(&[]).into()];
    agent.emit(Output::Cluster(changed.into()));
    assert_eq!(ask(&agent).await, "deny");
}

#[tokio::test]
async fn a_snapshot_can_be_read_back() {
    let mut agent = agent().await;
    let (src, dst) = (endpoint("web", "front"), endpoint("data", "db"));
    agent.emit(Output::Record(attempt(1, src.clone(), dst.clone(), Outcome::Established)));
    agent.emit(Output::Record(attempt(2, src, dst, Outcome::Rejected)));
    let answer = agent.get("/api/v1/snapshot", &[]).await;
    let baseline = Baseline::from_json(answer.body.as_bytes()).unwrap();
    assert_eq!((&*baseline.node, baseline.lost), ("node1", 0));
    assert_eq!(baseline.inventory.policies, inventory().policies);
    let [flow] = &*baseline.flows else { panic!("one flow: {:?}", baseline.flows) };
    assert_eq!((flow.count, flow.first_seen, flow.port), (1, at(1), 5432), "what was refused is no need");
    let labels = |end: &flow_model::baseline::BaselineEnd| end.labels.as_ref().unwrap()["app"].clone();
    assert_eq!((&*labels(&flow.src), &*labels(&flow.dst)), ("front", "db"));
}
